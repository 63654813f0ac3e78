// Derive one disease signature per population of a data set, donors as replicates.
process DERIVE_SIGNATURES {
    tag "${meta.id}"
    label 'process_medium'
    label 'env_core'

    input:
    tuple val(meta), path(sample), path(cells, stageAs: 'cells/*')
    path genes, stageAs: 'genes?/*'
    val opts

    output:
    tuple val(meta), path("${meta.id}.signatures.h5ad"), emit: signatures
    tuple val(meta), path("${meta.id}.{design,genes}.tsv"), emit: tables
    path "${meta.id}.derive_signatures.metrics.json", emit: metrics
    tuple val("${task.process}"), val('pydeseq2'), eval('pkg_version.py pydeseq2'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('pkg_version.py anndata'), topic: versions

    script:
    """
    derive_signatures.py --sample ${sample} --cells ${cells} --genes ${genes} --threads ${task.cpus} \\
        --min-cells ${opts.min_cells} --min-donors ${opts.min_donors} --min-counts ${opts.min_counts} \\
        --min-gene-overlap ${opts.min_gene_overlap} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.signatures.h5ad ${meta.id}.{design,genes}.tsv
    echo '{}' > ${meta.id}.derive_signatures.metrics.json
    """
}
