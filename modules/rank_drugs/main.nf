// Rank the drugs for every population of one data set.
process RANK_DRUGS {
    tag "${meta.id}"
    label 'process_medium'
    label 'env_core'

    input:
    tuple val(meta), path(signatures)
    path scores
    path reference_queries
    path resamples
    path compounds, stageAs: 'compounds/*'
    path drugs, stageAs: 'drugs/*'
    val opts

    output:
    tuple val(meta), path("${meta.id}.{drugs,populations,enrichment}.tsv"), emit: tables
    tuple val(meta), path("${meta.id}.drugs.parquet"), emit: drugs
    tuple val(meta), path("${meta.id}.connections.parquet"), emit: connections
    path "${meta.id}.rank_drugs.metrics.json", emit: metrics
    tuple val("${task.process}"), val('pandas'), eval('pkg_version.py pandas'), topic: versions
    tuple val("${task.process}"), val('decoupler'), eval('pkg_version.py decoupler'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    rank_drugs.py --signatures ${signatures} --scores ${scores} --reference-queries ${reference_queries} --resamples ${resamples} --compounds ${compounds} ${drugs ? "--drugs ${drugs}" : ''} \\
        --methods ${opts.methods} --headline ${opts.headline} --aggregation ${opts.aggregation} --seed ${opts.seed} --threads ${task.cpus} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.{drugs,populations,enrichment}.tsv ${meta.id}.{drugs,connections}.parquet
    echo '{}' > ${meta.id}.rank_drugs.metrics.json
    """
}
