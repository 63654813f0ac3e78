// Find the genes by which each reported drug reverses its population, for the signatures of one shard.
process FIND_LEADING_EDGES {
    tag "${meta.id}"
    label 'process_single'
    label 'env_torch'

    input:
    tuple val(meta), path(shard)
    path signatures
    path drugs
    val opts

    output:
    path "${meta.id}.leading_edges.parquet", emit: edges
    path "${meta.id}.query_genes.parquet", emit: genes
    path "${meta.id}.find_leading_edges.metrics.json", emit: metrics
    tuple val("${task.process}"), val('numpy'), eval('pkg_version.py numpy'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    find_leading_edges.py --shard ${shard} --signatures ${signatures} --drugs ${drugs} \\
        --n-genes ${opts.n_genes} --feature-space ${opts.feature_space} --threads ${task.cpus} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.{leading_edges,query_genes}.parquet
    echo '{}' > ${meta.id}.find_leading_edges.metrics.json
    """
}
