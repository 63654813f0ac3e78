// What the pipeline says on the terminal: its parameters (--help), and how a run ended.

include { schema_groups } from './utils'

// The parameters by group; of one parameter, everything. What they are stands in the schema.
def help_text(topic, schema_file, version) {
    def groups = schema_groups(schema_file)
    def described = groups.collectEntries { group -> group.properties }
    def name = topic.toString().replaceFirst(/^-+/, '').replace('-', '_')
    if (described.containsKey(name)) {
        return about_parameter(name, described[name], groups.any { group -> name in group.required && !described[name].default })
    }
    def unknown = name == 'true' ? '' : "There is no parameter --${name}.\n\n"
    def parts = groups.collect { group ->
        def lines = group.properties.collect { parameter, about -> about_line(parameter, about, parameter in group.required && !about.default) }
        "${group.title}\n${lines.join('\n')}"
    }
    return """${unknown}scPerturb-CMap ${version} ranks drugs that reverse the disease signature of each cell population.

  nextflow run . --input samples.csv --references references.csv --genes genes.tsv -profile docker
  nextflow run . -params-file params.yml -profile slurm,apptainer -c site.config -resume
  nextflow run . -profile test                     the demo

${parts.join('\n\n')}

All about one parameter: --help NAME. The sheets, profiles and site settings: docs/usage.md.
A parameter has two dashes, an option of Nextflow one (-profile, -params-file, -resume, -c, -work-dir)."""
}

// One parameter on lines of at most 100 characters: name, default, and the first sentence of what it is.
def about_line(name, about, needed) {
    def given = needed ? 'needed' : about.default != null && about.default != '' ? about.default.toString() : ''
    def start = "  --${name.padRight(20)} ${given}"
    def sentence = (about.description =~ /^.*?[.](?=\s|$)/)[0] - ~/\.$/
    def column = 35
    def room = 100 - column
    // At the end of a clause where that leaves enough, else of a word.
    def cut = sentence.take(room - 3)
    def ends = [cut =~ /^.*(?=[,:;(])/, cut =~ /^.*(?= )/].collect { found -> found ? found[0] : '' }
    def clause = sentence.length() <= room ? sentence : ends.find { part -> part.length() > room / 2 } ?: cut
    def text = clause == sentence ? sentence : clause.replaceFirst(/[\s,:;(]+$/, '') + ' ...'
    return start.length() < column ? "${start.padRight(column)}${text}" : "${start}\n${' ' * column}${text}"
}

// Everything about one parameter, on lines of at most 100 characters.
def about_parameter(name, about, needed) {
    def bounds = [minimum: 'at least', maximum: 'at most'].findAll { key, _words -> about[key] != null }.collect { key, words -> "${words} ${about[key]}" }
    def kind = about['enum'] ? "one of ${about['enum'].join(', ')}" : ([about.format == 'file-path' ? 'file' : about.format == 'directory-path' ? 'folder' : about.type] + bounds).join(', ')
    def given = needed ? 'needed' : about.default != null ? "default: ${about.default == '' ? 'empty' : about.default}" : 'not needed'
    return (["--${name}"] + [kind, given, about.description, about.help_text ?: ''].findAll { text -> text }.collect { text -> folded(text, 100, '  ') }).join('\n')
}

// Text in lines of a width, each after the same indent.
def folded(text, width, indent) {
    def lines = text.tokenize(' ').inject(['']) { done, word ->
        def longer = done[-1] ? "${done[-1]} ${word}".toString() : word
        longer.length() <= width - indent.length() || !done[-1] ? done[0..<-1] + [longer] : done + [word]
    }
    return lines.collect { line -> indent + line }.join('\n')
}

// How a run ended: where the report is, or what to do next. `ranked` is what RANK_DRUGS says of each data set (metrics.json).
def end_message(run, outdir, ranked) {
    def took = run.duration ? " after ${run.duration}" : ''
    if (!run.success) {
        // These are the signs of a task that was killed; Nextflow has tried it again with more memory by then.
        def killed = run.exitStatus in [137, 140, 143] ? """
A task was killed (exit status ${run.exitStatus}), most often for want of memory or time, and more of both did not help. Raise
process.resourceLimits in your site.config, or make the tasks smaller (--shard_size); see docs/usage.md.""" : ''
        return """
The run stopped${took}. Above, under "ERROR", stands what went wrong (nothing, if it was stopped from outside); more is in .nextflow.log.${killed}
Once it is put right, give the same command again with -resume ${run.sessionId}
in place of any other -resume: what is finished is not computed again."""
    }
    def n_ranked = ranked.collect { about -> about.n_populations_ranked ?: 0 }.sum() ?: 0
    def n_left = ranked.collect { about -> about.n_populations_left_out ?: 0 }.sum() ?: 0
    def left = n_left ? ", ${n_left} not (the report and ${outdir}/ranking/*.populations.tsv tell why)" : ''
    def counted = run.stubRun ? 'This was a stub run: every file is empty.' : "Populations ranked: ${n_ranked}${left}."
    return """
Finished${took}. ${counted}
The report, for a browser:  ${outdir}/report/index.html
The same to send on:        ${outdir}/report/report.zip
How the run was made:       ${outdir}/ro-crate-metadata.json"""
}
