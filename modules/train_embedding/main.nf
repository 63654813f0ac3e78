// Learn a space of cell states and perturbations from the references with role train or both.
process TRAIN_EMBEDDING {
    tag "${meta.id}"
    label 'process_gpu'
    label 'env_torch'

    input:
    tuple val(meta), path(shards, stageAs: 'shards/*'), path(libraries, stageAs: 'libraries/*'), path(compounds, stageAs: 'compounds/*')
    val opts

    output:
    tuple path("${meta.id}.embedding.json"), path("${meta.id}.embedding.safetensors"), emit: checkpoint
    path "${meta.id}.{embedding_search.tsv,model_card.md}", emit: tables
    path "${meta.id}.train_embedding.metrics.json", emit: metrics
    tuple val("${task.process}"), val('torch'), eval('pkg_version.py torch'), topic: versions
    tuple val("${task.process}"), val('pytorch-metric-learning'), eval('pkg_version.py pytorch-metric-learning'), topic: versions
    tuple val("${task.process}"), val('safetensors'), eval('pkg_version.py safetensors'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    train_embedding.py --name ${meta.id} --searched ${meta.searched.join(' ')} --shards ${shards} --libraries ${libraries} --compounds ${compounds} \\
        --encoder ${opts.encoder} --members ${opts.members} ${opts.embedding_search.toString() == 'true' ? '--search' : ''} \\
        --seed ${opts.seed} --device ${opts.device} --threads ${task.cpus} --code-digest ${opts.code} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.embedding.safetensors ${meta.id}.embedding_search.tsv ${meta.id}.model_card.md
    echo '{}' | tee ${meta.id}.embedding.json > ${meta.id}.train_embedding.metrics.json
    """
}
