#!/usr/bin/env nextflow
// scPerturb-CMap: from single cells of cases and controls to ranked drugs per cell population.

include { CHECK_INPUTS       } from './modules/check_inputs/main'
include { DERIVE_SIGNATURES  } from './modules/derive_signatures/main'
include { BUILD_REFERENCE    } from './modules/build_reference/main'
include { TRAIN_EMBEDDING    } from './modules/train_embedding/main'
include { EMBED_SIGNATURES   } from './modules/embed_signatures/main'
include { VALIDATE_METHODS   } from './modules/validate_methods/main'
include { SCORE_CONNECTIVITY } from './modules/score_connectivity/main'
include { RANK_DRUGS         } from './modules/rank_drugs/main'
include { FIND_LEADING_EDGES } from './modules/find_leading_edges/main'
include { PAIR_DRUGS         } from './modules/pair_drugs/main'
include { RUN_NOTEBOOK       } from './modules/run_notebook/main'
include { BUILD_REPORT       } from './modules/build_report/main'
include { check_params ; can_validate ; checkpoint_files ; digest ; fixed_headline ; gathered ; json ; library_files ; page ; page_of_each ; param_files ; possible_methods ; one_line ; pretty_json ; query_kind ; sheet_files ; sheet_rows ; staged_names ; version_table } from './modules/utils'
include { end_message ; help_text } from './modules/messages'
include { image_facts ; run_facts ; write_crate } from './modules/provenance'

workflow {
    main:
    if (params.help) {
        log.info(help_text(params.help, file("${projectDir}/nextflow_schema.json"), workflow.manifest.version))
        exit(0)
    }
    check_params(params, file("${projectDir}/nextflow_schema.json"), workflow.commandLine)
    input = file(params.input, glob: false)
    references = file(params.references, glob: false)
    genes = param_files(params.genes)
    drugs = params.drugs ? file(params.drugs, glob: false) : []
    orthologs = params.orthologs ? file(params.orthologs, glob: false) : []
    indications = params.indications ? file(params.indications, glob: false) : []
    sensitivity = params.sensitivity ? file(params.sensitivity, glob: false) : []
    code = digest('bin/scperturb_cmap/**.py')
    facts = run_facts(workflow, projectDir, code)
    // Every file the sheets name, as [[cell: 'input:cells.h5ad', file: /data/cells.h5ad], ...]; those that do not exist are
    // left to CHECK_INPUTS, which reports all problems at once.
    rows = [sample: sheet_rows(input), reference: sheet_rows(references)]
    named = sheet_files('input', input, rows.sample, ['path', 'path_down']) +
        sheet_files('references', references, rows.reference, ['path', 'path_down', 'siginfo', 'geneinfo', 'compoundinfo'])
    place = named.collectEntries { entry -> [entry.cell, entry.file] }
    // A space is learned where a reference is both searched and learned from, unless one is given; else its score is left out.
    searched = rows.reference.findAll { row -> row.role == 'both' }.collect { row -> row.reference }
    given = params.embedding && 'embedding' in params.methods.tokenize(',') ? checkpoint_files(params.embedding) : []
    methods = possible_methods(params.methods, params.headline, given || searched)
    learns = 'embedding' in methods.tokenize(',') && !given
    validates = can_validate(params.validation, methods)
    // what the populations are: the gates ask for queries of the same kind
    kinds = rows.sample.collect { row -> query_kind(row) }.unique().sort().join(' ')

    CHECK_INPUTS(
        input,
        references,
        named.collect { entry -> entry.file },
        channel.of(staged_names(named)).collectFile(name: 'staged.json').first(),
        genes,
        drugs,
        orthologs,
        indications,
        sensitivity,
        [min_gene_overlap: params.min_gene_overlap, code: code, rows: rows],
    )

    // each emission is [[id: 'kang'], '{"dataset": "kang", ...}', cells.h5ad, down set or []]; the row travels as text, so that -resume
    // recomputes a data set only where its own row changes
    ch_samples = CHECK_INPUTS.out.samples
        .flatten()
        .map { row ->
            def about = json(row)
            tuple([id: about.dataset], one_line(row), place["input:${about.path}".toString()], place["input:${about.path_down}".toString()] ?: [])
        }
    DERIVE_SIGNATURES(
        ch_samples,
        genes,
        orthologs,
        params.subMap(['min_cells', 'min_donors', 'min_counts', 'exclude_genes', 'resamples', 'seed', 'min_gene_overlap']) + [code: code],
    )

    // each emission is [[id: 'l1000', role: 'search'], '{"reference": "l1000", ...}', matrix.gctx, down sets or [], siginfo.txt or [],
    // geneinfo.txt or [], compoundinfo.txt or [], files of a finished library or []]
    ch_references = CHECK_INPUTS.out.references
        .flatten()
        .map { row ->
            def about = json(row)
            def files = ['path', 'path_down', 'siginfo', 'geneinfo', 'compoundinfo'].collect { column -> place["references:${about[column]}".toString()] ?: [] }
            def finished = about.format == 'library' ? library_files(files[0]) : []
            tuple([id: about.reference, role: about.role], one_line(row), files[0], files[1], files[2], files[3], files[4], finished)
        }
    BUILD_REFERENCE(ch_references, genes, [min_gene_overlap: params.min_gene_overlap, shard_size: params.shard_size, seed: params.seed, code: code])

    // each emission is [[id: 'l1000.shard_0000'], l1000.shard_0000.h5ad]; a reference for training only is not searched
    ch_shards = BUILD_REFERENCE.out.shards
        .filter { meta, _shards -> meta.role != 'train' }
        .transpose()
        .map { _meta, shard -> tuple([id: shard.baseName], shard) }
    // one emission, [l1000.compounds.tsv]: what is one compound, over all that is searched
    ch_compounds = BUILD_REFERENCE.out.tables
        .filter { meta, _tables -> meta.role != 'train' }
        .flatMap { _meta, tables -> tables.findAll { file -> file.name.endsWith('.compounds.tsv') } }
        .toSortedList { file -> file.name }
    // one emission, [demo.signatures.h5ad, kang.signatures.h5ad]: each shard is read once for all data sets
    ch_signatures = DERIVE_SIGNATURES.out.signatures.map { _meta, signatures -> signatures }.toSortedList { file -> file.name }

    // each emission is [[id: 'l1000', role: 'both'], shards, library, tables, reference queries]
    ch_built = BUILD_REFERENCE.out.shards
        .join(BUILD_REFERENCE.out.library)
        .join(BUILD_REFERENCE.out.tables)
        .join(BUILD_REFERENCE.out.reference_queries)
    // one emission, [[id: 'run', searched: ['l1000']], shards, libraries, tables of compounds], where there is something to learn
    ch_training = gathered(ch_built.filter { meta, _shards, _library, _tables, _queries -> learns && meta.role != 'search' })
        .map { _metas, shards, libraries, compounds, _queries -> tuple([id: 'run', searched: searched], shards, libraries, compounds) }
    TRAIN_EMBEDDING(ch_training, params.subMap(['encoder', 'embedding_search', 'members', 'seed', 'device']) + [code: code])
    // a value, [run.embedding.json, run.embedding.safetensors]; [] without a space. (An output that goes to a topic is a queue,
    // even where all inputs are values: only one shard would be scored.)
    ch_embedding = learns ? TRAIN_EMBEDDING.out.checkpoint : channel.value(given)

    // the same of all references, with their reference queries and what is learned from
    ch_validation = gathered(ch_built.filter { _meta, _shards, _library, _tables, _queries -> validates })
        .map { metas, shards, libraries, compounds, queries ->
            def ranked = metas.findAll { meta -> meta.role != 'train' }.collect { meta -> meta.id }
            def learned = metas.findAll { meta -> learns && meta.role != 'search' }.collect { meta -> meta.id }
            tuple([id: 'run', searched: ranked, learned: learned], shards, libraries, compounds, queries)
        }
    VALIDATE_METHODS(
        ch_validation,
        params.indications || params.sensitivity ? ch_signatures : [], // else another data set would validate the reference anew
        drugs,
        indications,
        sensitivity,
        params.subMap(['headline', 'validation_queries', 'encoder', 'embedding_search', 'members', 'n_genes', 'min_tags', 'feature_space', 'seed', 'device']) + [methods: methods, query_kinds: kinds],
    )
    // what ranks the drugs, and what is told of it: asked for, chosen by the gates, or the default where nothing is validated
    ch_headline = params.headline == 'auto' && validates
        ? VALIDATE_METHODS.out.headline.map { chosen -> json(chosen).method }
        : channel.value(fixed_headline(params.headline, methods))
    SCORE_CONNECTIVITY(
        ch_shards,
        ch_signatures,
        DERIVE_SIGNATURES.out.resamples.toSortedList { file -> file.name },
        BUILD_REFERENCE.out.reference_queries.filter { meta, _queries -> meta.role != 'train' }.map { _meta, queries -> queries }.toSortedList { file -> file.name },
        ch_embedding,
        ch_headline.map { headline -> params.subMap(['n_genes', 'min_tags', 'feature_space', 'random_queries', 'seed', 'device']) + [methods: methods, headline: headline] },
    )
    EMBED_SIGNATURES(
        ch_embedding.filter { files -> files },
        ch_signatures,
        ch_shards.map { _meta, shard -> shard }.toSortedList { file -> file.name },
        params.subMap(['min_tags', 'seed']),
    )

    RANK_DRUGS(
        DERIVE_SIGNATURES.out.signatures,
        SCORE_CONNECTIVITY.out.scores.toSortedList { file -> file.name },
        SCORE_CONNECTIVITY.out.reference_queries.toSortedList { file -> file.name },
        SCORE_CONNECTIVITY.out.resamples.toSortedList { file -> file.name },
        ch_compounds,
        drugs,
        ch_headline.map { headline -> params.subMap(['aggregation', 'seed']) + [methods: methods, headline: headline] },
    )

    // For the drugs at the top, why: which genes of a signature each reverses, sought where the drug's signature lies ...
    FIND_LEADING_EDGES(
        ch_shards,
        ch_signatures,
        RANK_DRUGS.out.drugs.map { _meta, drugs_table -> drugs_table }.toSortedList { file -> file.name },
        [n_genes: params.n_genes, feature_space: params.feature_space],
    )
    // ... and, once all shards are through, which second drug reverses what the first leaves.
    PAIR_DRUGS(
        // each emission is [[id: 'kang'], kang.drugs.parquet]
        RANK_DRUGS.out.drugs,
        FIND_LEADING_EDGES.out.edges.toSortedList { file -> file.name },
        FIND_LEADING_EDGES.out.genes.toSortedList { file -> file.name },
    )

    // What the pages of the report show; whose report it is (report_...) concerns BUILD_REPORT alone. Nothing that runs from
    // here on may emit to the topic, or the versions would wait for themselves.
    ch_versions = channel.topic('versions')
        .mix(channel.of(['pipeline', 'scPerturb-CMap', workflow.manifest.version], ['pipeline', 'Nextflow', workflow.nextflow.version.toString()]))
        .map { row -> row.join('\t') }
    // a value once every stage is through: a run that stops before ends its topics too, and must not write files then
    ch_through = PAIR_DRUGS.out.metrics.collect().map { _metrics -> 'through' }
    ch_run = ch_versions.toList()
        .map { lines -> version_table(lines) }
        .combine(ch_through)
        .map { table, _through -> table }
        .collectFile(name: 'software_versions.tsv')
        .mix(channel.of(pretty_json(params.findAll { name, _value -> !name.startsWith('report_') && name != 'help' })).collectFile(name: 'params.json'), CHECK_INPUTS.out.manifest)
    ch_metrics = DERIVE_SIGNATURES.out.metrics
        .mix(BUILD_REFERENCE.out.metrics, TRAIN_EMBEDDING.out.metrics, VALIDATE_METHODS.out.metrics, EMBED_SIGNATURES.out.metrics, SCORE_CONNECTIVITY.out.metrics, RANK_DRUGS.out.metrics, FIND_LEADING_EDGES.out.metrics, PAIR_DRUGS.out.metrics)
    // the same for the page of provenance alone: the commit, and the images of the stages with their digests
    ch_facts = channel.topic('images')
        .unique()
        .toSortedList { one, other -> one[0] <=> other[0] }
        .map { stages -> [stages] }
        .combine(ch_through)
        .map { stages, _through -> pretty_json(facts + [images: image_facts(stages, workflow)]) }
        .collectFile(name: 'run.json')
    ch_funnels = BUILD_REFERENCE.out.tables.map { _meta, tables -> tables }.flatten()
    // each emission is [[id: 'kang'], [kang.drugs.tsv, kang.populations.tsv, kang.connections.parquet, kang.signatures.h5ad, ...]]
    ch_datasets = RANK_DRUGS.out.tables
        .join(RANK_DRUGS.out.connections)
        .join(PAIR_DRUGS.out.tables)
        .join(DERIVE_SIGNATURES.out.tables)
        .join(DERIVE_SIGNATURES.out.signatures)
        .map { meta, ranking, connections, pairs, tables, signatures -> tuple(meta, ranking + pairs + tables + [connections, signatures]) }
    ch_all = ch_datasets.map { _meta, files -> files }.flatten()
    // what ranks the drugs, with the titles of the tasks that it was chosen by
    ch_why = VALIDATE_METHODS.out.headline.mix(VALIDATE_METHODS.out.tables.flatten().filter { file -> file.name.endsWith('.validation_tasks.tsv') })
    // each emission is [[id: '02_dataset.kang', dataset: 'kang'], 02_dataset.ipynb, [files]]
    ch_pages = page('01_overview', ch_all.mix(ch_funnels, ch_metrics, ch_run, ch_why))
        .mix(
            page_of_each('02_dataset', ch_datasets),
            page_of_each('03_population', ch_datasets),
            page('04_library', ch_all.mix(ch_funnels, ch_run, BUILD_REFERENCE.out.library.map { _meta, library -> library })),
            page('05_embedding', EMBED_SIGNATURES.out.neighbours.mix(EMBED_SIGNATURES.out.embedded, TRAIN_EMBEDDING.out.tables).flatten()),
            page('06_validation', VALIDATE_METHODS.out.tables.flatten().mix(VALIDATE_METHODS.out.headline)),
            page('07_methods', ch_run.mix(ch_why)),
            page('08_provenance', ch_run.mix(ch_facts)),
        )
    RUN_NOTEBOOK(ch_pages)
    BUILD_REPORT(
        RUN_NOTEBOOK.out.notebook.flatten().toSortedList { file -> file.name },
        RANK_DRUGS.out.tables.mix(PAIR_DRUGS.out.tables, DERIVE_SIGNATURES.out.tables).map { _meta, tables -> tables }.mix(VALIDATE_METHODS.out.tables).flatten().toSortedList { file -> file.name },
        ch_pages.map { _meta, _notebook, files -> files }.flatten().unique { file -> file.name }.toSortedList { file -> file.name },
        params.report_logo ? file(params.report_logo, glob: false) : [],
        file("${projectDir}/report"),
        [title: params.report_title ?: '', contact: params.report_contact ?: '', digest: digest('report/**')],
    )

    // Once everything is done: what the run published and how it was made, in one file, and where to look.
    // (by other names: in the block at the end of a run the usual ones mean something else)
    def run = workflow
    def project = projectDir
    def settings = params
    def made_by = facts
    def results = file(params.outdir)
    def published = [] as Set
    def images = []
    def versions = []
    def ranked = []
    def manifests = []
    ch_metrics
        .mix(DERIVE_SIGNATURES.out.signatures, DERIVE_SIGNATURES.out.resamples, DERIVE_SIGNATURES.out.tables)
        .mix(BUILD_REFERENCE.out.shards, BUILD_REFERENCE.out.reference_queries, BUILD_REFERENCE.out.tables, BUILD_REFERENCE.out.library)
        .mix(TRAIN_EMBEDDING.out.checkpoint, TRAIN_EMBEDDING.out.tables, EMBED_SIGNATURES.out.neighbours, EMBED_SIGNATURES.out.embedded)
        .mix(VALIDATE_METHODS.out.headline, VALIDATE_METHODS.out.tables)
        .mix(SCORE_CONNECTIVITY.out.scores, SCORE_CONNECTIVITY.out.reference_queries, SCORE_CONNECTIVITY.out.resamples)
        .mix(RANK_DRUGS.out.tables, RANK_DRUGS.out.drugs, RANK_DRUGS.out.connections, PAIR_DRUGS.out.tables)
        .mix(RUN_NOTEBOOK.out.notebook, BUILD_REPORT.out.html, BUILD_REPORT.out.zip)
        .subscribe { item -> [item].flatten().findAll { part -> part instanceof java.nio.file.Path }.each { path -> published.add(path.name) } }
    channel.topic('images').mix(RUN_NOTEBOOK.out.image, BUILD_REPORT.out.image).unique().subscribe { stage -> images.add(stage) }
    ch_versions.mix(RUN_NOTEBOOK.out.versions, BUILD_REPORT.out.versions).subscribe { row -> versions.add(row) }
    RANK_DRUGS.out.metrics.subscribe { metrics -> ranked.add(json(metrics)) }
    CHECK_INPUTS.out.manifest.subscribe { manifest -> manifests.add(manifest) }
    def further = given.collect { found -> [role: 'embedding', file: found] }
    workflow.onComplete {
        try {
            write_crate(run, project, results, settings, published, made_by + [images: image_facts(images, run)], versions, manifests ? manifests[0] : null, further)
        }
        catch (Exception problem) {
            log.debug('While the crate was written', problem)
            log.warn("ro-crate-metadata.json, the record of how the run was made, could not be written: ${problem.message}")
        }
        log.info(end_message(run, settings.outdir, ranked))
    }
}
