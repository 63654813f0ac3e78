// Find for each reported drug of a data set the second drug that reverses most of what it leaves.
process PAIR_DRUGS {
    tag "${meta.id}"
    label 'process_single'
    label 'env_core'

    input:
    tuple val(meta), path(drugs)
    path edges
    path genes

    output:
    tuple val(meta), path("${meta.id}.{leading_edges,pairs}.tsv"), emit: tables
    path "${meta.id}.pair_drugs.metrics.json", emit: metrics
    tuple val("${task.process}"), val('pandas'), eval('pkg_version.py pandas'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    pair_drugs.py --drugs ${drugs} --edges ${edges} --genes ${genes} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.{leading_edges,pairs}.tsv
    echo '{}' > ${meta.id}.pair_drugs.metrics.json
    """
}
