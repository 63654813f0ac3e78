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
    path orthologs, stageAs: 'orthologs/*'
    path indications, stageAs: 'indications/*'
    path sensitivity, stageAs: 'sensitivity/*'
    val opts

    output:
    path '*.sample.json', emit: samples
    path '*.reference.json', emit: references
    path 'manifest.json', emit: manifest
    tuple val("${task.process}"), val('python'), eval('python3 --version | cut -d" " -f2'), topic: versions
    tuple val("${task.process}"), val('anndata'), eval('pkg_version.py anndata'), topic: versions
    tuple val("${task.process}"), val("${task.container ?: ''}"), topic: images

    script:
    """
    check_inputs.py --input ${input} --references ${references} --staged ${staged} --genes ${genes} \\
        ${drugs ? "--drugs ${drugs}" : ''} ${orthologs ? "--orthologs ${orthologs}" : ''} \\
        ${indications ? "--indications ${indications}" : ''} ${sensitivity ? "--sensitivity ${sensitivity}" : ''} --min-gene-overlap ${opts.min_gene_overlap} \\
        --code-digest ${opts.code} ${task.ext.args ?: ''}
    """

    stub:
    // Nothing has checked the sheets here, so names that could lead out of the folder are left out.
    def rows = opts.rows.collectMany { kind, rows -> rows.findAll { row -> row[kind == 'sample' ? 'dataset' : kind] ==~ /\w[\w.-]*/ }.collect { row -> [kind, row] } }
    def written = rows.withIndex().collect { entry, n -> "cat > row_${n}.${entry[0]}.json <<'END_OF_ROW'\n${groovy.json.JsonOutput.toJson(entry[1])}\nEND_OF_ROW" }
    """
${written.join('\n')}
echo '{}' > manifest.json
    """
}
