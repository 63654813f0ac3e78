// Render the executed notebooks as one folder of HTML that opens offline, with the tables it links to.
process BUILD_REPORT {
    label 'process_single'
    label 'env_report'

    input:
    path notebooks
    path tables, stageAs: 'tables/*'
    path results, stageAs: 'results/*'
    path logo, stageAs: 'logo/*'
    path book, stageAs: 'book'
    val opts

    output:
    path 'report/*', emit: html
    path 'report.zip', emit: zip
    eval("echo '${task.process}\tjupyter-book\t'\$(pkg_version.py jupyter-book)"), emit: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), emit: image

    script:
    // Between single quotes the shell looks at nothing but the next one.
    def quoted = [opts.title, opts.contact].collect { text -> "'" + text.toString().replaceAll(/\s+/, ' ').replace("'", "'\\''") + "'" }
    """
    build_report.py --book ${book} --notebooks ${notebooks} --tables ${tables} --results ${results} \\
        --report-title=${quoted[0]} --report-contact=${quoted[1]} ${logo ? "--report-logo ${logo}" : ''} --out report ${task.ext.args ?: ''}
    """

    stub:
    """
    mkdir report
    touch report/index.html report.zip
    """
}
