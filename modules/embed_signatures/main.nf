// Place populations and compounds in the learned space: nearest compounds, with the genes that carry them, and a map.
process EMBED_SIGNATURES {
    label 'process_medium'
    label 'env_torch'

    input:
    path embedding, stageAs: 'embedding/*'
    path signatures
    path shards
    val opts

    output:
    path '*.neighbours.tsv', emit: neighbours
    path '*.embedded.h5ad', emit: embedded, optional: true
    path '*.embed_signatures.metrics.json', emit: metrics
    tuple val("${task.process}"), val('torch'), eval('pkg_version.py torch'), topic: versions
    tuple val("${task.process}"), val('umap-learn'), eval('pkg_version.py umap-learn'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    embed_signatures.py --embedding embedding/*.json --signatures ${signatures} --shards ${shards} \\
        --min-tags ${opts.min_tags} --seed ${opts.seed} --threads ${task.cpus} ${task.ext.args ?: ''}
    """

    stub:
    """
    touch run.neighbours.tsv run.profile.embedded.h5ad
    echo '{}' > run.embed_signatures.metrics.json
    """
}
