// Learn a space of queries and perturbations from the references with role train or both.
process TRAIN_EMBEDDING {
    tag "${meta.id}"
    label 'process_gpu'
    label 'env_torch'

    input:
    tuple val(meta), path(target, stageAs: 'target/*'), path(sources, stageAs: 'sources/*'), path(compounds, stageAs: 'compounds/*')
    val opts

    output:
    tuple val(meta), path("${meta.id}.embedding.json"), path("${meta.id}.embedding.safetensors"), emit: checkpoint
    path "${meta.id}.embedding_search.tsv", emit: search
    path "${meta.id}.train_embedding.metrics.json", emit: metrics
    tuple val("${task.process}"), val('torch'), eval('pkg_version.py torch'), topic: versions
    tuple val("${task.process}"), val('safetensors'), eval('pkg_version.py safetensors'), topic: versions

    script:
    """
    train_embedding.py --name ${meta.id} --target ${target} ${sources ? "--sources ${sources}" : ''} --compounds ${compounds} \\
        --method ${opts.method} --seed ${opts.seed} --device ${opts.device} --threads ${task.cpus} --code-digest ${opts.code} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.embedding.safetensors ${meta.id}.embedding_search.tsv
    echo '{}' | tee ${meta.id}.embedding.json > ${meta.id}.train_embedding.metrics.json
    """
}
