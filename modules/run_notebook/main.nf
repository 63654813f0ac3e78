// Run one notebook of the report on the files it shows; that of populations makes a page for each of them.
process RUN_NOTEBOOK {
    tag "${meta.id}"
    label 'process_single'
    label 'env_report'

    input:
    tuple val(meta), path(notebook, stageAs: 'notebook/*'), path(files)

    output:
    path "${meta.id}*.ipynb", emit: notebook
    // Not to the topic: these tasks wait for it (see the entry workflow).
    eval("echo '${task.process}\tpapermill\t'\$(pkg_version.py papermill)"), emit: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), emit: image

    script:
    def dataset = meta.dataset ? ", \"dataset\": \"${meta.dataset}\"" : ''
    """
    echo '{"results": "."${dataset}}' > parameters.json
    run_notebook.py --notebook ${notebook} --parameters parameters.json --out ${meta.id}.ipynb ${task.ext.args ?: ''}
    """

    stub:
    // A configuration may ask for as many pages as there would be populations (tests/pipeline/test_scale.py).
    def pages = meta.id.startsWith('03_population') && task.ext.stub_pages ? "${meta.id}.{001..${task.ext.stub_pages}}.ipynb" : "${meta.id}.ipynb"
    """
    touch ${pages}
    """
}
