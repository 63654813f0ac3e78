// Small helpers of the entry workflow.

// Stop on every missing, unknown-valued or mistyped parameter at once; what a parameter may be stands in the schema.
def check_params(given, schema_file, command_line) {
    def groups = schema_groups(schema_file)
    def described = groups.collectEntries { group -> group.properties }
    def required = groups.collectMany { group -> group.required ?: [] }
    def problems = required.findAll { name -> !given[name] }.collect { name -> "--${name} is missing: ${described[name].description} README.md shows an example." }
    problems += described.collectMany { name, about ->
        def text = given[name] == null ? '' : given[name].toString()
        def pattern = [integer: /-?\d+/, number: /-?\d+(\.\d+)?([eE]-?\d+)?/][about.type]
        if (text == '') {
            return about.default && given.containsKey(name) ? ["--${name} is empty: leave it out or give a value (${about.default} by default)"] : []
        }
        if (about['enum'] && !(text in about['enum'].collect { choice -> choice.toString() })) {
            return ["--${name} is '${text}': choose one of ${about['enum'].join(', ')}"]
        }
        if (about.pattern && !(text ==~ about.pattern)) {
            return ["--${name} is '${text}': ${about.help_text ?: about.description}"]
        }
        if (about.format == 'file-path') {
            // Only gene tables may be several.
            def names = name == 'genes' ? text.tokenize(',').collect { part -> part.trim() } : [text]
            def lacking = names.findAll { path -> !existing(path, null) }
            return lacking || !names ? ["--${name}: the file ${lacking.join(', ') ?: text} does not exist"] : []
        }
        if (pattern && !(text ==~ pattern)) {
            return ["--${name} is '${text}': a ${about.type == 'integer' ? 'whole ' : ''}number is needed"]
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
    def bare_line = command_line.replaceAll(/'[^']*'|\\./, '') // what stands in a value is none
    problems += (bare_line =~ /(?:^|\s)--([A-Za-z][\w-]*)/).collect { match -> match[1] }.unique().findAll { name -> !described.containsKey(name) }.collect { name ->
        def plain = name.toLowerCase().replaceAll('[-_]', '')
        def meant = described.keySet().find { known -> known.replace('_', '').startsWith(plain) || plain.startsWith(known.replace('_', '')) }
        "--${name} is not a parameter of this pipeline${meant ? ": did you mean --${meant}?" : ' (see docs/parameters.md)'}"
    }
    if (given.methods && given.headline != 'auto' && given.headline in described.headline['enum'] && !(given.headline.toString() in given.methods.toString().tokenize(','))) {
        problems += ["--headline is '${given.headline}', which is not among --methods ${given.methods}"]
    }
    if (problems) {
        error("The parameters have ${problems.size()} problem(s):\n  - ${problems.join('\n  - ')}")
    }
}

// The methods that can be computed: without a space there is no score by the embedding, and the run goes on with the others.
def possible_methods(methods, headline, space) {
    def wanted = methods.toString().tokenize(',')
    if (space || !('embedding' in wanted)) {
        return wanted.join(',')
    }
    def why = "no reference has the role both, and no checkpoint is given (--embedding)"
    if (headline == 'embedding' || wanted == ['embedding']) {
        error("There is no score by the embedding: ${why}.")
    }
    log.warn("There is no score by the embedding: ${why}. The run goes on with ${(wanted - 'embedding').join(', ')}.")
    return (wanted - 'embedding').join(',')
}

// Whether the methods are validated: there must be a classic score to compare with.
def can_validate(wanted, methods) {
    def classic = methods.tokenize(',') - 'embedding'
    if (wanted.toString() == 'true' && !classic) {
        log.warn("The methods are not validated: --methods names no classic score to compare with.")
    }
    return wanted.toString() == 'true' && classic
}

// What the populations of a row of the sample sheet are: gene sets, or signatures of all genes.
def query_kind(row) {
    return row.path_down || row.path ==~ /(?i).*\.(gmt|grp)(\.gz)?/ ? 'gene_sets' : 'single_cells'
}

// The score that ranks the drugs where no gate chooses it.
def fixed_headline(headline, methods) {
    def names = methods.tokenize(',')
    return headline != 'auto' ? headline.toString() : 'spearman' in names ? 'spearman' : (names - 'embedding' ?: names)[0]
}

// A checkpoint of an earlier run and the tensors beside it.
def checkpoint_files(description) {
    def about = file(description, glob: false)
    if (about.name.endsWith('.safetensors')) {
        error("--embedding is ${description}, which holds the tensors of a checkpoint: name the .json beside it.")
    }
    def tensors = about.resolveSibling(about.name.replaceAll(/\.json$/, '') + '.safetensors')
    if (!tensors.exists()) {
        error("--embedding is ${description}, but ${tensors.name} is not beside it: copy both files.")
    }
    return [about, tensors]
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

// The groups of parameters that a schema describes.
def schema_groups(schema_file) {
    return json(schema_file)['$defs'].values()
}

def pretty_json(content) {
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(content))
}

// The same content on one line, as an input that -resume compares by content.
def one_line(path) {
    return groovy.json.JsonOutput.toJson(json(path))
}

// The rows of a sheet as maps, read as the Python side reads it (io/tables.py): byte order mark, blank lines and comments
// before the header are no part of the table. What does not parse gives no rows; CHECK_INPUTS will say why.
def sheet_rows(sheet) {
    try {
        def lines = sheet_lines(sheet).dropWhile { line -> !bare_text(line) || line.startsWith('!') || (line.startsWith('#') && !line.contains('\t')) }
        def tabs = lines[0].contains('\t')
        def rows = tabs ? lines.collect { line -> line.split('\t', -1) as List } : csv_rows(lines.join('\n'))
        def table = rows.collect { row -> row.collect { cell -> tabs ? unquoted(bare_text(cell)) : cell } }
        def header = table[0].collect { column -> bare_text(column.replaceAll(/^#+/, '')) }
        return table.drop(1).findAll { row -> row.any() }.collect { row -> [header, row].transpose().collectEntries().findAll { column, _cell -> column } }
    }
    catch (Exception problem) {
        log.debug("${sheet.name} does not parse: ${problem.message}")
        return []
    }
}

// Lines of a file: unpacked if it is gzip, each UTF-8 or else Latin-1.
def sheet_lines(sheet) {
    def raw = sheet.bytes
    if (raw.length > 1 && raw[0] == 31 && raw[1] == -117) {
        raw = new java.util.zip.GZIPInputStream(new ByteArrayInputStream(raw)).bytes
    }
    def lines = new String(raw, 'ISO-8859-1').replaceFirst('^\u00ef\u00bb\u00bf', '').readLines()
    return lines.collect { line ->
        def bytes = line.getBytes('ISO-8859-1')
        def text = new String(bytes, 'UTF-8')
        text.getBytes('UTF-8') == bytes ? text : new String(bytes, 'windows-1252')
    }
}

// Text without the white space around it, in the sense of Unicode, as Python strips it.
def bare_text(text) {
    return text.replaceAll(/^[\s\p{Z}\u0085\u001c-\u001f]+|[\s\p{Z}\u0085\u001c-\u001f]+$/, '')
}

// A cell between tabs without the quotes around it.
def unquoted(cell) {
    return cell.length() > 1 && cell.startsWith('"') && cell.endsWith('"') ? bare_text(cell[1..<-1].replace('""', '"')) : cell
}

// Rows of comma-separated text. A quoted cell may hold commas, line breaks and doubled quotes; Nextflow's splitCsv knows no
// doubled quotes.
def csv_rows(text) {
    def rows = [[]]
    def complete = false
    (text =~ /\G[ ]*(?:"((?:[^"]++|"")*+)"[ ]*|([^,\n]*))(,|\n|$)/).each { _match, quoted, plain, separator ->
        if (!complete) {
            rows[-1] << bare_text(quoted != null ? quoted.replace('""', '"') : plain)
            complete = separator == ''
        }
        if (separator == '\n') {
            rows << []
        }
    }
    return complete ? rows : []
}

// The files named in the given columns of a sheet; relative paths are relative to the sheet.
def sheet_files(kind, sheet, rows, columns) {
    return rows
        .collectMany { row -> columns.collect { column -> row[column] } }
        .findAll { cell -> cell }
        .unique()
        .collect { cell -> [cell: "${kind}:${cell}".toString(), file: existing(cell, sheet.parent)] }
        .findAll { entry -> entry.file }
}

// The files beside a library file that it lists; BUILD_REFERENCE refuses a library with one missing or changed.
def library_files(description) {
    try {
        return json(description).files.collect { entry -> existing(entry.file, description.parent) }.findAll { found -> found }
    }
    catch (Exception problem) {
        log.debug("${description.name} is no library: ${problem.message}")
        return []
    }
}

// The file of this name, or null where there is none or the name is none (foo://x, no access).
def existing(name, folder) {
    try {
        def found = !folder || name =~ /^(\/|[a-z0-9]+:\/\/)/ ? file(name, glob: false) : folder.resolve(name)
        return found.exists() && !found.isDirectory() ? found : null
    }
    catch (Exception problem) {
        log.debug("${name} cannot be reached: ${problem.message}")
        return null
    }
}

// Where CHECK_INPUTS finds each file, as JSON: a task gets the n-th file as staged<n>/<name>. The files of a finished library
// are too large to send there: their sizes are.
def staged_names(named) {
    def names = [:]
    named.eachWithIndex { entry, i ->
        names[entry.cell] = "staged${i + 1}/${entry.file.name}"
        if (entry.file.name.endsWith('.library.json')) {
            names["sizes:${entry.cell}".toString()] = library_files(entry.file).collectEntries { found -> [found.name, found.size()] }
        }
    }
    return pretty_json(names)
}

def notebook(name) {
    return file("${projectDir}/notebooks/${name}.ipynb", checkIfExists: true)
}

// References of a run as one emission, if there are any: what is known of each, and all their shards, libraries, tables of
// compounds and reference queries, in the order of their names.
def gathered(ch_built) {
    return ch_built
        .toSortedList { one, other -> one[0].id <=> other[0].id }
        .filter { built -> built }
        .map { built ->
            def parts = built.transpose()
            def compounds = parts[3].flatten().findAll { table -> table.name.endsWith('.compounds.tsv') }
            tuple(parts[0], parts[1].flatten(), parts[2], compounds, parts[4])
        }
}

// One page of the report that shows files of the whole run, if there are any.
def page(name, ch_files) {
    return ch_files.toSortedList { file -> file.name }.filter { files -> files }.map { files -> tuple([id: name, dataset: ''], notebook(name), files) }
}

// Pages of a notebook that shows one data set at a time.
def page_of_each(name, ch_datasets) {
    return ch_datasets.map { meta, files -> tuple([id: "${name}.${meta.id}", dataset: meta.id], notebook(name), files) }
}

// The versions of everything that ran, as a table.
def version_table(rows) {
    return (['process\ttool\tversion'] + rows.unique(false).sort(false)).join('\n') + '\n'
}
