// Check the sheets and every file they name; report all problems at once.
process CHECK_INPUTS {
    label 'process_single'
    label 'env_core'

    input:
    path input, stageAs: 'sheets/input/*'
    path references, stageAs: 'sheets/references/*'
    path files, stageAs: 'staged?/*'
    path staged
    path genes, stageAs: 'genes?/*'
    path drugs, stageAs: 'drugs/*'
    val digest

    output:
    path '*.sample.json', emit: samples
    path '*.reference.json', emit: references
    path 'manifest.json', emit: manifest
    tuple val("${task.process}"), val('python'), eval('python3 --version | cut -d" " -f2'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('pkg_version.py anndata'), topic: versions

    script:
    """
    check_inputs.py --input ${input} --references ${references} --staged ${staged} --genes ${genes} \\
        ${drugs ? "--drugs ${drugs}" : ''} --code-digest ${digest} ${task.ext.args ?: ''}
    """

    stub:
    """
    sed 1d ${input} | cut -d, -f1,2 | while IFS=, read -r id path; do echo '{"dataset": "'\$id'", "path": "'\$path'"}' > \$id.sample.json; done
    sed 1d ${references} | cut -d, -f1,2 | while IFS=, read -r id path; do echo '{"reference": "'\$id'", "path": "'\$path'", "role": "search"}' > \$id.reference.json; done
    echo '{}' > manifest.json
    """
}
