//! Modules depend on lower modules only, and not on one another in a circle.
//!
//! The dependencies are the paths that start with `crate`, `super` or `self` in the sources, without those of tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The modules of the crate. Each may use those before it.
const ORDER: [&str; 18] = [
    "domain",
    "entity_tags",
    "error_chain",
    "header_list",
    "single_header",
    "pb",
    "io",
    "supervise",
    "tls",
    "telemetry",
    "store",
    "auth",
    "limits",
    "rpc",
    "gateway",
    "config",
    "server",
    "cli",
];

/// Modules whose files must not use one another in a circle.
const ACYCLIC: [&str; 7] = [
    "domain",
    "domain::jwk",
    "domain::metadata",
    "domain::patch",
    "gateway",
    "gateway::request",
    "limits",
];

type ModulePath = Vec<String>;

#[test]
fn modules_use_only_those_below_them() {
    let mut upward = BTreeSet::new();
    for (from, to) in dependencies() {
        let (Some(from), Some(to)) = (from.first(), to.first()) else {
            continue;
        };
        if rank(to) > rank(from) {
            upward.insert((from.clone(), to.clone()));
        }
    }
    assert_eq!(upward, BTreeSet::new());
}

#[test]
fn files_of_a_module_do_not_use_one_another_in_a_circle() {
    let dependencies = dependencies();
    for module in ACYCLIC {
        let graph = graph_within(module, &dependencies);
        for (user, all_used) in &graph {
            for used in all_used {
                assert!(
                    !is_reachable(&graph, used, user),
                    "in {module}, {user} uses {used}, which uses it in turn"
                );
            }
        }
    }
}

fn rank(module: &str) -> usize {
    let position = ORDER.iter().position(|name| *name == module);
    position.unwrap_or_else(|| panic!("{module} has no place in the order"))
}

/// Returns which files or folders of a module use which others. An item of the module's own file counts as `mod`.
fn graph_within(
    module: &str,
    dependencies: &[(ModulePath, ModulePath)],
) -> BTreeMap<String, BTreeSet<String>> {
    let module: Vec<&str> = module.split("::").collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in dependencies {
        let (Some(from), Some(to)) = (child(&module, from), child(&module, to)) else {
            continue;
        };
        if from != to {
            graph.entry(from).or_default().insert(to);
        }
    }
    graph
}

fn child(module: &[&str], path: &[String]) -> Option<String> {
    let rest = path.get(..module.len())?;
    if rest != module {
        return None;
    }
    let file = path.get(module.len()).filter(|name| {
        let folder = Path::new("src").join(module.join("/"));
        folder.join(format!("{name}.rs")).exists() || folder.join(name).exists()
    });
    Some(file.map_or("mod", String::as_str).to_owned())
}

fn is_reachable(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut reached = BTreeSet::from([from]);
    let mut unvisited = vec![from];
    while let Some(node) = unvisited.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if reached.insert(next) {
                unvisited.push(next);
            }
        }
    }
    reached.contains(to)
}

/// Returns every module with every path that it uses.
fn dependencies() -> Vec<(ModulePath, ModulePath)> {
    let mut dependencies = Vec::new();
    visit(Path::new("src"), &[], &mut dependencies);
    assert!(dependencies.len() > 500, "{}", dependencies.len());
    dependencies
}

fn visit(folder: &Path, module: &[String], dependencies: &mut Vec<(ModulePath, ModulePath)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" || name == "testdata" || module.is_empty() && ["lib", "main"].contains(&&*name) {
            continue;
        }
        let inner = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            visit(&path, &inner, dependencies);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if name == "mod" { module } else { &inner };
            let source = without_tests_and_comments(&fs::read_to_string(&path).unwrap());
            let paths = used_paths(&source, module).into_iter();
            dependencies.extend(paths.map(|used| (module.to_vec(), used)));
        }
    }
}

fn without_tests_and_comments(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the absolute paths that a source uses.
fn used_paths(source: &str, module: &[String]) -> Vec<ModulePath> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in source.match_indices(root) {
            let before = source[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            expand(&source[at..], &[], module, &mut paths);
        }
    }
    paths
}

/// Reads a path or a group of paths behind a prefix, and returns the rest of the source.
fn expand<'a>(source: &'a str, prefix: &[String], module: &[String], paths: &mut Vec<ModulePath>) -> &'a str {
    let source = source.trim_start();
    if let Some(mut rest) = source.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(rest) = rest.strip_prefix('}') {
                return rest;
            }
            rest = expand(rest, prefix, module, paths);
        }
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '*';
    let (name, rest) = source.split_at(source.find(|c| !is_name(c)).unwrap_or(source.len()));
    assert!(!name.is_empty(), "cannot read {:?}", source.get(..40));
    let path = match (name, prefix) {
        ("crate", []) => Vec::new(),
        ("self", []) => module.to_vec(),
        ("super", []) => module[..module.len() - 1].to_vec(),
        ("super", prefix) => prefix[..prefix.len() - 1].to_vec(),
        ("self", prefix) => prefix.to_vec(),
        (name, prefix) => [prefix, &[name.to_owned()]].concat(),
    };
    if let Some(rest) = rest.strip_prefix("::")
        && rest.trim_start().starts_with(|c| is_name(c) || c == '{')
    {
        return expand(rest, &path, module, paths);
    }
    paths.push(path);
    let rest = rest.trim_start();
    match rest.strip_prefix("as ") {
        Some(alias) => alias.trim_start().trim_start_matches(is_name),
        None => rest,
    }
}

#[test]
fn groups_of_paths_are_expanded() {
    let module = ["gateway", "request", "body"].map(str::to_owned);
    let source = "use super::{draft::{Draft, Object as O}, find};\ncrate::pb::v1::Link::new(self::x::<u8>())";
    let paths: Vec<String> = used_paths(source, &module)
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "pb::v1::Link::new",
            "gateway::request::draft::Draft",
            "gateway::request::draft::Object",
            "gateway::request::find",
            "gateway::request::body::x",
        ]
    );
}
