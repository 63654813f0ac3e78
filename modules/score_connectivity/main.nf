// Score every population of the run against one shard of a reference.
process SCORE_CONNECTIVITY {
    tag "${meta.id}"
    label 'process_gpu'
    label 'env_torch'

    input:
    tuple val(meta), path(shard)
    path signatures
    path resamples
    path reference_queries
    path embedding, stageAs: 'embedding/*'
    val opts

    output:
    path "${meta.id}.scores.parquet", emit: scores
    path "${meta.id}.reference_queries.parquet", emit: reference_queries
    path "${meta.id}.resamples.parquet", emit: resamples
    path "${meta.id}.score_connectivity.metrics.json", emit: metrics
    tuple val("${task.process}"), val('torch'), eval('pkg_version.py torch'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    score_connectivity.py --signatures ${signatures} --resamples ${resamples} --reference-queries ${reference_queries} --shard ${shard} \\
        --threads ${task.cpus} --methods ${opts.methods} --headline ${opts.headline} ${embedding ? '--embedding embedding/*.json' : ''} --random-queries ${opts.random_queries} --seed ${opts.seed} \\
        --n-genes ${opts.n_genes} --min-tags ${opts.min_tags} --feature-space ${opts.feature_space} --device ${opts.device} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.{scores,reference_queries,resamples}.parquet
    echo '{}' > ${meta.id}.score_connectivity.metrics.json
    """
}
