// Find what is known on perturbations held out, by every method, and choose the score that ranks the drugs.
process VALIDATE_METHODS {
    tag "${meta.id}"
    label 'process_gpu'
    label 'env_torch'

    input:
    tuple val(meta), path(shards, stageAs: 'shards/*'), path(libraries, stageAs: 'libraries/*'), path(compounds, stageAs: 'compounds/*'), path(reference_queries, stageAs: 'reference_queries/*')
    path signatures
    path drugs, stageAs: 'drugs/*'
    path indications, stageAs: 'indications/*'
    path sensitivity, stageAs: 'sensitivity/*'
    val opts

    output:
    path "${meta.id}.headline.json", emit: headline
    path "${meta.id}.{validation,validation_tasks,validation_splits,validation_gates,validation_findings,validation_meanings,indications,efficacy}.tsv", emit: tables
    path "${meta.id}.validate_methods.metrics.json", emit: metrics
    tuple val("${task.process}"), val('copairs'), eval('pkg_version.py copairs'), topic: versions
    tuple val("${task.process}"), val('torch'), eval('pkg_version.py torch'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    validate_methods.py --name ${meta.id} --searched ${meta.searched.join(' ')} ${meta.learned ? "--learned ${meta.learned.join(' ')}" : ''} \\
        --shards ${shards} --libraries ${libraries} --compounds ${compounds} --reference-queries ${reference_queries} \\
        ${signatures ? "--signatures ${signatures}" : ''} ${drugs ? "--drugs ${drugs}" : ''} ${indications ? "--indications ${indications}" : ''} ${sensitivity ? "--sensitivity ${sensitivity}" : ''} \\
        --methods ${opts.methods} --headline ${opts.headline} --query-kinds ${opts.query_kinds} --queries ${opts.validation_queries} --encoder ${opts.encoder} --members ${opts.members} ${opts.embedding_search.toString() == 'true' ? '--search' : ''} \\
        --n-genes ${opts.n_genes} --min-tags ${opts.min_tags} --feature-space ${opts.feature_space} --seed ${opts.seed} \\
        --device ${opts.device} --threads ${task.cpus} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch ${meta.id}.{validation,validation_tasks,validation_splits,validation_gates,validation_findings,validation_meanings,indications,efficacy}.tsv
    echo '{"method": "wtcs"}' > ${meta.id}.headline.json
    echo '{}' > ${meta.id}.validate_methods.metrics.json
    """
}
