// Render the executed notebooks as one folder of HTML that opens offline, with the tables it links to.
process BUILD_REPORT {
    label 'process_single'
    label 'env_report'

    input:
    path notebooks
    path tables, stageAs: 'tables/*'
    path book, stageAs: 'book'
    val _digest

    output:
    path 'report/*', emit: html
    path 'report.zip', emit: zip
    eval("echo '${task.process}\tjupyter-book\t'\$(pkg_version.py jupyter-book)"), emit: versions

    script:
    """
    build_report.py --book ${book} --notebooks ${notebooks} --tables ${tables} --out report ${task.ext.args ?: ''}
    """

    stub:
    """
    mkdir report
    touch report/index.html report.zip
    """
}
