// Derive one disease signature per population of a data set, donors as replicates.
process DERIVE_SIGNATURES {
    tag "${meta.id}"
    label 'process_medium'
    label 'env_core'

    input:
    tuple val(meta), val(row), path(cells, stageAs: 'cells/*'), path(down, stageAs: 'down/*')
    path genes, stageAs: 'genes?/*'
    path orthologs, stageAs: 'orthologs/*'
    val opts

    output:
    tuple val(meta), path("${meta.id}.signatures.h5ad"), emit: signatures
    path "${meta.id}.resamples.h5ad", emit: resamples
    tuple val(meta), path("${meta.id}.{design,genes}.tsv"), emit: tables
    path "${meta.id}.derive_signatures.metrics.json", emit: metrics
    tuple val("${task.process}"), val('pydeseq2'), eval('pkg_version.py pydeseq2'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('pkg_version.py anndata'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    // One line of JSON in a quoted heredoc: whatever a label holds, the shell does not look at it.
    """
    cat > sample.json <<'END_OF_ROW'
    ${row}
    END_OF_ROW
    derive_signatures.py --sample sample.json --cells ${cells} ${down ? "--cells-down ${down}" : ''} --genes ${genes} ${orthologs ? "--orthologs ${orthologs}" : ''} --threads ${task.cpus} \\
        --min-cells ${opts.min_cells} --min-donors ${opts.min_donors} --min-counts ${opts.min_counts} \\
        --min-gene-overlap ${opts.min_gene_overlap} --exclude-genes '${opts.exclude_genes ?: ''}' \\
        --resamples ${opts.resamples} --seed ${opts.seed} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.signatures.h5ad ${meta.id}.resamples.h5ad ${meta.id}.{design,genes}.tsv
    echo '{}' > ${meta.id}.derive_signatures.metrics.json
    """
}
