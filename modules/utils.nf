// Small helpers of the entry workflow.

// Stop on every missing, unknown-valued or mistyped parameter at once; what a parameter may be stands in the schema.
def check_params(given, schema_file, command_line) {
    def groups = new groovy.json.JsonSlurper().parseText(schema_file.text)['$defs'].values()
    def described = groups.collectEntries { group -> group.properties }
    def required = groups.collectMany { group -> group.required ?: [] }
    def problems = required.findAll { name -> !given[name] }.collect { name -> "--${name} is missing: ${described[name].description} README.md shows an example." }
    problems += described.collectMany { name, about ->
        def text = given[name] == null ? '' : given[name].toString()
        def pattern = [integer: /-?\d+/, number: /-?\d+(\.\d+)?([eE]-?\d+)?/][about.type]
        if (text == '') {
            return []
        }
        if (about['enum'] && !(text in about['enum'].collect { choice -> choice.toString() })) {
            return ["--${name} is '${text}': choose one of ${about['enum'].join(', ')}"]
        }
        if (about.pattern && !(text ==~ about.pattern)) {
            return ["--${name} is '${text}': ${about.help_text ?: about.description}"]
        }
        if (about.format == 'file-path' && param_files(text).any { path -> !path.exists() || path.isDirectory() }) {
            def lacking = param_files(text).findAll { path -> !path.exists() || path.isDirectory() }
            return ["--${name}: the file ${lacking.join(', ')} does not exist"]
        }
        if (pattern && !(text ==~ pattern)) {
            return ["--${name} is '${text}': a number is needed"]
        }
        if (pattern && about.minimum != null && (text as double) < about.minimum) {
            return ["--${name} is ${text}: it must be at least ${about.minimum}"]
        }
        if (pattern && about.maximum != null && (text as double) > about.maximum) {
            return ["--${name} is ${text}: it must be at most ${about.maximum}"]
        }
        return []
    }
    // A site's configuration may set parameters of its own, so they are only told; on the command line an unknown one is a slip.
    given.keySet().findAll { name -> !described.containsKey(name) }.each { name -> log.warn("The parameter ${name} is not known to this pipeline.") }
    problems += (command_line =~ /(?:^|\s)--([A-Za-z][\w-]*)/).collect { match -> match[1] }.unique().findAll { name -> !described.containsKey(name) }.collect { name ->
        def plain = name.toLowerCase().replaceAll('[-_]', '')
        def meant = described.keySet().find { known -> known.replace('_', '').startsWith(plain) || plain.startsWith(known.replace('_', '')) }
        "--${name} is not a parameter of this pipeline${meant ? ": did you mean --${meant}?" : ' (see docs/parameters.md)'}"
    }
    if (given.methods && given.headline in described.headline['enum'] && !(given.headline.toString() in given.methods.toString().tokenize(','))) {
        problems += ["--headline is '${given.headline}', which is not among --methods ${given.methods}"]
    }
    if (problems) {
        error("The parameters have ${problems.size()} problem(s):\n  - ${problems.join('\n  - ')}")
    }
}

// Makes -resume see edits where a task's hash does not: in the shared package (it holds only the script a command names)
// and inside folders (it holds only their own date).
def digest(pattern) {
    return files("${projectDir}/${pattern}").sort().collect { source -> source.text }.join('').md5()
}

// One file or several, separated by commas; none for an empty value.
def param_files(text) {
    return text ? text.toString().tokenize(',').collect { path -> file(path.trim(), glob: false) } : []
}

// The content of a JSON file.
def json(path) {
    return new groovy.json.JsonSlurper().parseText(path.text)
}

def pretty_json(content) {
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(content))
}

// The files named in the given columns of a sheet; relative paths are relative to the sheet.
def sheet_files(kind, sheet, columns) {
    def rows = []
    try {
        // As the Python side reads it: byte order mark and comments before the header are no part of the table.
        def lines = sheet.text.readLines()
        def comments = lines.takeWhile { line -> line.startsWith('#') && !line.contains('\t') }.size()
        def separator = lines[comments]?.contains('\t') ? '\t' : ','
        rows = sheet.splitCsv(header: true, skip: comments, sep: separator, strip: true, quote: '"')
    }
    catch (Exception problem) {
        log.debug("${sheet.name} does not parse, CHECK_INPUTS will say why: ${problem.message}")
    }
    return rows
        .collect { row -> row.collectEntries { column, cell -> [column.replace('\uFEFF', '').trim(), cell] } }
        .collectMany { row -> columns.collect { column -> row[column] } }
        .findAll { cell -> cell }
        .unique()
        .collect { cell -> [cell: "${kind}:${cell}".toString(), file: cell =~ /^(\/|[a-z0-9]+:\/\/)/ ? file(cell, glob: false) : sheet.parent.resolve(cell)] }
        .findAll { entry -> entry.file.exists() && !entry.file.isDirectory() }
}

// Where CHECK_INPUTS finds each file, as JSON: a task gets the n-th file as staged<n>/<name>.
def staged_names(named) {
    def names = [:]
    named.eachWithIndex { entry, i -> names[entry.cell] = "staged${i + 1}/${entry.file.name}" }
    return pretty_json(names)
}

def notebook(name) {
    return file("${projectDir}/notebooks/${name}.ipynb", checkIfExists: true)
}

// One page of the report that shows files of the whole run.
def page(name, ch_files) {
    return ch_files.toSortedList { file -> file.name }.map { files -> tuple([id: name, dataset: ''], notebook(name), files) }
}

// The versions of everything that ran, as a table; stored where a folder is given.
def version_table(ch_versions, folder) {
    def options = [name: 'software_versions.tsv', seed: 'process\ttool\tversion', newLine: true, sort: true]
    return ch_versions.unique().collectFile(folder ? options + [storeDir: folder] : options)
}
