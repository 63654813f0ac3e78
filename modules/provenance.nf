// How a run was made: ro-crate-metadata.json, which makes --outdir a Workflow Run RO-Crate (docs/output.md). The launcher writes
// it, at the end: only there are start, end, images and everything published known, and no task runs again for their sake.

include { json ; pretty_json ; schema_groups ; version_table } from './utils'

// What stays the same when a run is repeated, for the page of the report: code and engine, as they are when it starts.
def run_facts(run, project, code) {
    return [pipeline: run.manifest.version, nextflow: run.nextflow.version.toString(), engine: engine_of(run), code_digest: code] + code_revision(run, project)
}

// The commit that ran, where it is known: Nextflow's own checkout, or a folder that is a Git repository.
def code_revision(run, project) {
    if (run.commitId) {
        return [revision: run.commitId, repository: run.repository, changed: '']
    }
    if (!project.resolve('.git').exists()) {
        return [revision: '', repository: '', changed: 'the folder of the pipeline is no Git checkout']
    }
    def commit = said_by(['git', '-C', project.toString(), 'rev-parse', 'HEAD'])
    def changes = said_by(['git', '-C', project.toString(), 'status', '--porcelain', '--untracked-files=no'])
    return [revision: commit ?: '', repository: '', changed: !commit ? 'git does not tell it' : changes == null ? 'git does not tell whether it was changed' : changes ? 'with changes that are not committed' : '']
}

// What runs the images; clouds and Kubernetes need no engine named, and take Docker's.
def engine_of(run) {
    def elsewhere = run.profile.tokenize(',').any { name -> name in ['awsbatch', 'googlebatch', 'k8s'] }
    return run.containerEngine ?: (elsewhere ? 'docker' : '')
}

// The images of a run's stages, [['SCORE_CONNECTIVITY', 'core:1'], ...], as [[image: 'core:1', processes: [...], digest: 'sha256:...', reason: ''], ...].
def image_facts(stages, run) {
    def engine = engine_of(run)
    def used = engine ? stages.collect { stage -> stage*.toString() }.findAll { stage -> stage[1] }.groupBy { stage -> stage[1] } : [:]
    return used.keySet().sort().collect { image ->
        [image: image, processes: used[image].collect { stage -> stage[0].tokenize(':')[-1] }.unique().sort()] + image_digest(image, engine, run)
    }
}

// The digest of an image, or why it is not known.
def image_digest(image, engine, run) {
    if (image.contains('@sha256:')) {
        return [digest: image.substring(image.indexOf('sha256:')), reason: '']
    }
    if (image =~ /^\.{0,2}\//) {
        def found = file(image, glob: false)
        return found.exists() && !found.isDirectory() ? [digest: "sha256:${sha256(found)}".toString(), reason: ''] : [digest: '', reason: 'the launcher does not see this file']
    }
    if ('wave' in run.profile.tokenize(',')) {
        return [digest: '', reason: 'Wave put another image in its place']
    }
    if (engine in ['docker', 'podman']) {
        def id = said_by([engine, 'image', 'inspect', '--format', '{{.Id}}', image])
        return id ? [digest: "sha256:${id - 'sha256:'}".toString(), reason: ''] : [digest: '', reason: "${engine} has no such image on the launcher's machine".toString()]
    }
    return [digest: '', reason: "${engine} does not tell it; name the image by its digest (name@sha256:...) or as a file".toString()]
}

// What a command prints; null where it fails or takes too long. By way of a file: nobody has to read while it runs, so that there
// is nothing to fail where the run is stopped meanwhile.
def said_by(command) {
    def said = java.nio.file.Files.createTempFile('said', '.txt')
    def text = null
    try {
        def process = new ProcessBuilder(command).redirectOutput(said.toFile()).redirectError(ProcessBuilder.Redirect.DISCARD).start()
        def ended = process.waitFor(20, java.util.concurrent.TimeUnit.SECONDS)
        process.destroyForcibly()
        text = ended && process.exitValue() == 0 ? said.text.trim() : null
    }
    catch (Exception problem) {
        log.debug("${command[0]} cannot be asked: ${problem.message}")
    }
    java.nio.file.Files.deleteIfExists(said)
    return text
}

def sha256(path) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    path.eachByte(1048576) { buffer, n -> digest.update(buffer, 0, n) }
    return digest.digest().encodeHex().toString()
}

// Write the crate, and beside it what it says of parameters, code and versions. `given`: all parameters; `seen`: names of what the
// tasks published; `facts`: run_facts, and the images; `versions`: rows of process, tool and version; `further`: input files that
// the manifest does not list, as [[role: 'sensitivity', file: /data/gdsc.tsv], ...].
def write_crate(run, project, outdir, given, seen, facts, versions, inputs_read, further) {
    if (!run.success && !seen && outdir.resolve('ro-crate-metadata.json').exists()) {
        return // what lies in the folder is of an earlier run, and so is the crate
    }
    log.info("Writing down how the run was made ...")
    def info = outdir.resolve('pipeline_info')
    info.mkdirs()
    project.resolve('main.nf').copyTo(info.resolve('main.nf'))
    def schema = schema_groups(project.resolve('nextflow_schema.json')).collectEntries { group -> group.properties }
    info.resolve('params.json').text = pretty_json(given) + '\n'
    info.resolve('run.json').text = pretty_json(facts) + '\n'
    info.resolve('software_versions.tsv').text = version_table(versions)
    def inputs = input_entities(inputs_read, further)
    def results = result_entities(outdir, seen, run)
    def tools = tool_entities(versions)
    def values = schema.findAll { name, about -> about.format != 'file-path' && given[name] != null && given[name] != '' && !(name in ['outdir', 'help']) }
        .collect { name, _about -> ['@id': "#value-${name}", '@type': 'PropertyValue', name: name, value: given[name].toString(), exampleOfWork: ref("#parameter-${name}")] }
    def formal = schema.findAll { name, _about -> name != 'help' }.collect { name, about ->
        def kinds = [integer: 'Integer', number: 'Float', boolean: 'Boolean']
        ['@id': "#parameter-${name}", '@type': 'FormalParameter', name: name, description: about.description, additionalType: about.format == 'file-path' ? 'File' : kinds[about.type] ?: 'Text']
    }
    def profiles = profile_entities()
    def images = facts.images.withIndex().collect { about, n -> image_entity(about, n, facts.engine, run.resume) }
    def action = "urn:uuid:${UUID.randomUUID()}".toString()
    def trace = info.resolve('execution_trace.txt')
    def traces = trace.exists() ? [['@id': 'pipeline_info/execution_trace.txt', '@type': 'File', name: 'execution_trace.txt', encodingFormat: 'text/tab-separated-values', about: ref(action), description: 'Time and memory of every task. Nextflow may still write to it, so it has no checksum here.']] : []
    def known = facts.revision ? "Commit ${facts.revision}${facts.changed ? ", ${facts.changed}" : ''}." : "Commit not known: ${facts.changed}."
    def graph = [
        ['@id': 'ro-crate-metadata.json', '@type': 'CreativeWork', about: ref('./'), conformsTo: [ref('https://w3id.org/ro/crate/1.1'), ref('https://w3id.org/workflowhub/workflow-ro-crate/1.0')]],
        ['@id': './', '@type': 'Dataset', name: "Results of scPerturb-CMap, run ${run.runName}", description: 'Drugs ranked by how they reverse the disease signature of each cell population, and everything the ranking was made of.',
            datePublished: moment(run.complete), license: ref('#licence'), conformsTo: refs(profiles),
            hasPart: refs([['@id': 'pipeline_info/main.nf']] + results + traces + inputs), mainEntity: ref('pipeline_info/main.nf'), mentions: ref(action)],
        ['@id': 'pipeline_info/main.nf', '@type': ['File', 'SoftwareSourceCode', 'ComputationalWorkflow'], name: 'scPerturb-CMap', version: facts.pipeline, description: "The entry workflow. ${known}", sha256: sha256(project.resolve('main.nf')),
            contentSize: project.resolve('main.nf').size().toString(), programmingLanguage: ref('#nextflow'), license: ref('https://spdx.org/licenses/MIT'), input: refs(formal), softwareRequirements: refs(tools),
            identifier: [ref('#code-digest')] + (facts.revision ? [ref('#revision')] : [])] + (facts.repository ? [codeRepository: facts.repository] : [:]),
        ['@id': action, '@type': 'CreateAction', name: "Run ${run.runName}${run.stubRun ? ' (a stub run: every result is empty)' : ''}",
            description: "Session ${run.sessionId}, profile ${run.profile}, seed ${given.seed}, containers ${facts.engine ?: 'none'}${run.resume ? ', resumed: unchanged tasks were taken over from an earlier run' : ''}.",
            instrument: ref('pipeline_info/main.nf'), startTime: moment(run.start), endTime: moment(run.complete), object: refs(inputs + values), result: refs(results),
            actionStatus: "http://schema.org/${run.success ? 'Completed' : 'Failed'}ActionStatus"] + (images ? [containerImage: refs(images)] : [:]),
    ]
    def context = ['https://w3id.org/ro/crate/1.1/context', 'https://w3id.org/ro/terms/workflow-run/context']
    outdir.resolve('ro-crate-metadata.json').text = pretty_json(['@context': context, '@graph': graph + profiles + standing_entities(facts) + formal + values + inputs + results + traces + tools + images]) + '\n'
}

// A file that this run wrote; null where it is missing, or lies there from an earlier run that got further.
def of_this_run(path, run) {
    return path.exists() && (run.success || path.lastModified() >= run.start.toInstant().toEpochMilli()) ? path : null
}

// The profiles that the crate follows.
def profile_entities() {
    return [
        ['https://w3id.org/ro/wfrun/process/0.5', 'Process Run Crate', '0.5'],
        ['https://w3id.org/ro/wfrun/workflow/0.5', 'Workflow Run Crate', '0.5'],
        ['https://w3id.org/workflowhub/workflow-ro-crate/1.0', 'Workflow RO-Crate', '1.0'],
    ].collect { profile -> ['@id': profile[0], '@type': 'CreativeWork', name: profile[1], version: profile[2]] }
}

// What others refer to: terms, digest and commit of the code, the language of the workflow.
def standing_entities(facts) {
    return [
        ['@id': '#licence', '@type': 'CreativeWork', name: 'Terms of the data', description: 'The cells, the reference libraries and the drug annotation keep their own terms, and what is made of them comes under these. The pipeline itself is free under the MIT licence.'],
        ['@id': '#code-digest', '@type': 'PropertyValue', name: 'MD5 of the Python library, bin/scperturb_cmap', value: facts.code_digest],
        ['@id': '#nextflow', '@type': ['ComputerLanguage', 'SoftwareApplication'], name: 'Nextflow', version: facts.nextflow, identifier: ref('https://www.nextflow.io/'), url: ref('https://www.nextflow.io/')],
        ['@id': 'https://www.nextflow.io/', '@type': 'WebSite', name: 'Nextflow'],
        ['@id': 'https://spdx.org/licenses/MIT', '@type': 'CreativeWork', name: 'MIT licence'],
    ] + (facts.revision ? [['@id': '#revision', '@type': 'PropertyValue', name: 'commit', value: facts.revision, description: facts.changed ?: 'without changes']] : [])
}

def ref(id) {
    return ['@id': id]
}

def refs(entities) {
    return entities.collect { entity -> ref(entity['@id']) }
}

// A point in time as ISO 8601, to the second, in the one form of it that the profile's checks know.
def moment(time) {
    return time.format(java.time.format.DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ssxxx"))
}

// Input files by what they hold, since where they lie is the machine's business: equal content is one entity.
def input_entities(manifest, further) {
    def listed = (manifest ? json(manifest).inputs ?: [] : []) + further.collect { entry -> [role: entry.role, file: entry.file.name, sha256: sha256(entry.file), bytes: entry.file.size()] }
    return listed.groupBy { entry -> entry.sha256 }.collect { digest, entries ->
        def name = entries[0].file.tokenize('/')[-1]
        def slots = entries.collect { entry -> entry.role }.unique().findAll { role -> role in ['input', 'references', 'genes', 'drugs', 'orthologs', 'indications', 'sensitivity', 'embedding'] }
        ['@id': "ni:///sha-256;${digest.decodeHex().encodeBase64Url().toString()}".toString(), '@type': 'File', name: name, description: "Input: ${entries.collect { entry -> entry.role }.unique().join(', ')}", sha256: digest, contentSize: entries[0].bytes.toString()] +
            (slots ? [exampleOfWork: refs(slots.collect { role -> ['@id': "#parameter-${role}"] })] : [:])
    }
}

// Published files of this run, with checksums; files of earlier runs in the same folder are left out.
def result_entities(outdir, seen, run) {
    def folders = ['signatures', 'reference', 'embedding', 'scores', 'ranking', 'validation', 'report', 'report/notebooks'].collect { name -> outdir.resolve(name) }
    def found = folders.findAll { folder -> folder.exists() }.collectMany { folder -> folder.listFiles().findAll { found -> found.name in seen && !found.isDirectory() } as List }
    def fixed = ['manifest.json', 'params.json', 'run.json', 'software_versions.tsv'].collect { name -> of_this_run(outdir.resolve('pipeline_info').resolve(name), run) }.findAll { path -> path }
    def formats = [tsv: 'text/tab-separated-values', json: 'application/json', html: 'text/html', zip: 'application/zip', md: 'text/markdown', h5ad: 'application/x-hdf5', safetensors: 'application/octet-stream', parquet: 'application/vnd.apache.parquet', ipynb: 'application/x-ipynb+json']
    // What lies elsewhere than on a file system would have to be fetched for its checksum.
    def near = outdir.fileSystem.provider().scheme == 'file'
    // In the report's own folder only its first page and the zip, which holds all pages: the rest would be the theme's files.
    def wanted = found.findAll { path -> path.parent.name != 'report' || path.name in ['index.html', 'report.zip'] } + fixed
    return wanted.sort { path -> path.toString() }.collect { path ->
        ['@id': outdir.relativize(path).toString().tokenize('/').collect { part -> java.net.URLEncoder.encode(part, 'UTF-8').replace('+', '%20') }.join('/'), '@type': 'File', name: path.name, contentSize: path.size().toString()] +
            (formats[path.extension] ? [encodingFormat: formats[path.extension]] : [:]) +
            (near ? [sha256: sha256(path)] : [description: 'Without a checksum: the results do not lie on a file system of the launcher.'])
    }
}

// Software by name and version, and which stages used it.
def tool_entities(versions) {
    def rows = versions.unique(false).collect { line -> line.split('\t', -1) as List }.findAll { row -> row.size() == 3 }
    return rows.groupBy { row -> [row[1], row[2]] }.collect { tool, used ->
        def url = tool[0] in ['python', 'Nextflow', 'scPerturb-CMap'] ? '' : "https://pypi.org/project/${tool[0]}/${tool[1]}/".toString()
        ['@id': url ?: "#software-${tool.join('-')}".toString(), '@type': 'SoftwareApplication', name: tool[0], softwareVersion: tool[1]] + (url ? [url: url] : [:]) + [description: "Used by ${used.collect { row -> row[0] }.unique().join(', ')}"]
    }
}

// An image with its digest, or the reason why there is none.
def image_entity(about, number, engine, resumed) {
    def name = about.image.replaceFirst(/@sha256:.*$/, '').replaceFirst(/^docker:\/\//, '')
    def is_file = name =~ /^\.{0,2}\//
    def tagged = name =~ /^(.*?)(?::([\w.-]+))?$/
    def parts = is_file ? [name.tokenize('/')[-1]] : tagged[0][1].tokenize('/')
    // The first part is a registry if it looks like a host.
    def registry = parts.size() > 1 && (parts[0] =~ /[.:]/ || parts[0] == 'localhost') ? parts[0] : ''
    return ['@id': "#image-${number + 1}", '@type': 'ContainerImage', additionalType: ref("https://w3id.org/ro/terms/workflow-run#${is_file ? 'SIFImage' : 'DockerImage'}"), name: (registry ? parts.drop(1) : parts).join('/'),
        registry: registry, description: "Run by ${engine}, for ${about.processes.join(', ')}.${about.reason ? " Digest not known: ${about.reason}." : ''}${resumed ? ' Looked up by name when the run was resumed: tasks that were taken over may have run an earlier image of this name.' : ''}"] +
        (!is_file && tagged[0][2] ? [tag: tagged[0][2]] : [:]) + (about.digest ? [sha256: about.digest - 'sha256:'] : [:])
}
