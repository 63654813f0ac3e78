// Render the executed notebooks as one folder of HTML that opens offline.
process BUILD_REPORT {
    label 'process_single'
    label 'env_report'

    input:
    path notebooks
    path book

    output:
    path 'html/*', emit: html
    path 'report.zip', emit: zip
    eval("echo '${task.process}\tjupyter-book\t'\$(pkg_version.py jupyter-book)"), emit: versions

    script:
    """
    build_report.py --book ${book} --notebooks ${notebooks} --out html ${task.ext.args ?: ''}
    """

    stub:
    """
    mkdir html
    touch html/index.html report.zip
    """
}
