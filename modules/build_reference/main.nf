// Build the signature-set shards of one reference, with its quality funnel.
process BUILD_REFERENCE {
    tag "${meta.id}"
    label 'process_high_memory'
    label 'env_core'

    input:
    tuple val(meta), val(row), path(source, stageAs: 'source/*'), path(down, stageAs: 'down/*'), path(siginfo, stageAs: 'siginfo/*'), path(geneinfo, stageAs: 'geneinfo/*'), path(compoundinfo, stageAs: 'compoundinfo/*'), path(library, stageAs: 'library/*')
    path genes, stageAs: 'genes?/*'
    val opts

    output:
    tuple val(meta), path("${meta.id}.shard_*.h5ad", arity: '1..*'), emit: shards
    tuple val(meta), path("${meta.id}.reference_queries.h5ad"), emit: reference_queries
    tuple val(meta), path("${meta.id}.{funnel,genes,compounds,left_out}.tsv"), emit: tables
    tuple val(meta), path("${meta.id}.library.json"), emit: library
    path "${meta.id}.build_reference.metrics.json", emit: metrics
    tuple val("${task.process}"), val('h5py'), eval('pkg_version.py h5py'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('pkg_version.py anndata'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    // One line of JSON in a quoted heredoc: whatever a label holds, the shell does not look at it.
    """
    cat > reference.json <<'END_OF_ROW'
    ${row}
    END_OF_ROW
    build_reference.py --reference reference.json --path ${source} ${down ? "--path-down ${down}" : ''} --genes ${genes} \\
        ${siginfo ? "--siginfo ${siginfo}" : ''} ${geneinfo ? "--geneinfo ${geneinfo}" : ''} \\
        ${compoundinfo ? "--compoundinfo ${compoundinfo}" : ''} ${library ? "--library-files ${library}" : ''} \\
        --min-gene-overlap ${opts.min_gene_overlap} --shard-size ${opts.shard_size} --seed ${opts.seed} --code-digest ${opts.code} --threads ${task.cpus} ${task.ext.args ?: ''}
    """

    stub:
    // A configuration may ask for more, to see how the workflow scales (tests/pipeline/test_scale.py).
    def last = String.format('%04d', (task.ext.stub_shards ?: 1) - 1)
    """
    touch ${meta.id}.shard_{0000..${last}}.h5ad ${meta.id}.reference_queries.h5ad ${meta.id}.{funnel,genes,compounds}.tsv ${meta.id}.library.json
    echo '{}' > ${meta.id}.build_reference.metrics.json
    """
}
