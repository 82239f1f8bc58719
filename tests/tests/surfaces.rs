//! Every verb of the service is on every surface, or it is said why not: the table of verbs against the command line, the HTTP API, the tools of an
//! assistant, the page and the documentation, both ways.

use std::collections::{BTreeMap, BTreeSet};

use kitaru_host::access::Role;
use kitaru_host::service::verbs::{About, Effect, Method, all, specials};
use kitaru_tests::{Assistant, Host, Mode, Served, repository};
use serde_json::{Value, json};

#[path = "surfaces/check.rs"]
mod check;
#[path = "surfaces/exceptions.rs"]
mod exceptions;
#[path = "surfaces/page.rs"]
mod page;

use check::{Found, Said, problems};
use exceptions::{BESIDE, COMMANDS, LOCAL, NOT_ON_THE_PAGE};
use page::{Asked, of_script};

const API: &str = "/api/v1";
/// Tools that are no verbs.
const TOOLS: &[(&str, &str)] =
    &[("kitaru_clean_preview", "shows folders of this machine to the assistant of whoever sits at it")];
const SAID: Said = Said { commands: COMMANDS, local: LOCAL, not_on_the_page: NOT_ON_THE_PAGE, beside: BESIDE, tools: TOOLS };

fn verbs() -> Vec<About> {
    all().iter().map(|entry| entry.about).chain(specials().iter().copied()).collect()
}

/// The commands that have no subcommands. Hidden ones are for the program itself.
fn commands() -> BTreeSet<String> {
    let root = kitaru_host::cli::command();
    let mut left: Vec<_> = root.get_subcommands().map(|command| (command.get_name().to_owned(), command)).collect();
    let mut leaves = BTreeSet::new();
    while let Some((words, command)) = left.pop() {
        if command.is_hide_set() {
            continue;
        }
        let below: Vec<_> = command.get_subcommands().map(|sub| (format!("{words} {}", sub.get_name()), sub)).collect();
        if below.is_empty() {
            leaves.insert(words);
        }
        left.extend(below);
    }
    leaves
}

fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

fn sections() -> BTreeSet<String> {
    let text = document("cli.md");
    let titles = text.lines().filter_map(|line| line.strip_prefix("## kitaru-host "));
    titles.map(|title| title.trim().to_owned()).collect()
}

/// The rows of the API's table of verbs: request, verb, role.
fn rows() -> BTreeSet<(String, String, String)> {
    let text = document("api.md");
    let table = text.split("\n## Verbs\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section on verbs");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        (cells[1].clone(), cells[2].clone(), cells[3].clone())
    })
    .collect()
}

/// What stands between backquotes.
fn code(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn operations(document: &Value) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let verb = operation["operationId"].as_str().unwrap().to_owned();
            found.insert((method.to_uppercase(), path.clone()), verb);
        }
    }
    found
}

fn tools(host: &Host) -> BTreeSet<String> {
    let mut assistant = Assistant::of_command(&host.command(["mcp"]), Mode::Newest, false);
    let tools = assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone();
    assistant.end();
    tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_is_on_every_surface_or_it_is_said_why_not() {
    let host = Host::new();
    let tools = tools(&host);
    let served = Served::start(&host);
    let description = served.account(&host, "reader", "viewer", &[]).get(&format!("{API}/openapi.json")).expect(200);
    let (requests, mut found) = page::requests(&repository().join("host/page/js"));
    assert!(requests.len() > 50, "{requests:#?}");
    let on_surfaces = Found {
        commands: commands(),
        operations: operations(&description),
        tools,
        requests,
        sections: sections(),
        rows: rows(),
        code: code(&document("mcp.md")),
    };
    found.extend(problems(&verbs(), &on_surfaces, &SAID));
    assert!(found.is_empty(), "the surfaces differ:\n  {}", found.join("\n  "));
}

#[test]
fn every_verb_answers_over_http_under_its_own_route() {
    let host = Host::new();
    let served = Served::start(&host);
    let nobody = served.nobody();
    for about in verbs() {
        let parts: Vec<&str> = about.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let path = format!("{API}{}", parts.join("/"));
        // A route asks who comes before anything else; where there is none, nobody asks.
        let answer = nobody.send(about.method.as_str(), &path, Some("application/json"), b"{}");
        assert_eq!(answer.status, 401, "{}: {} {path}", about.name, about.method.as_str());
    }
    assert_eq!(nobody.get(&format!("{API}/teas")).status, 404);
    assert_eq!(nobody.send("PATCH", &format!("{API}/executions"), Some("application/json"), b"{}").status, 405);
}

#[test]
fn every_command_answers_for_help() {
    for command in commands() {
        let words = ["kitaru-host"].into_iter().chain(command.split(' ')).chain(["--help"]);
        let help = kitaru_host::cli::command().try_get_matches_from(words).unwrap_err();
        assert_eq!(help.exit_code(), 0, "{command}: {help}");
        assert!(help.render().to_string().contains(&format!("Usage: kitaru-host {command}")), "{command}: {help}");
    }
}

// That it can fail.

const TEA: About = About {
    name: "tea.make",
    method: Method::Post,
    path: "/teas/{tea}/make",
    role: Role::Operator,
    effect: Effect::Changes,
    tool: Ok("kitaru_tea_make"),
    summary: "Makes tea.",
    status: 201,
};

const NOTHING_SAID: Said = Said { commands: &[], local: &[], not_on_the_page: &[], beside: &[], tools: &[] };

/// Every surface has tea.
fn with_tea() -> Found {
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    Found {
        commands: texts(&["tea make"]),
        operations: BTreeMap::from([(("POST".into(), "/teas/{tea}/make".into()), "tea.make".into())]),
        tools: texts(&["kitaru_tea_make"]),
        requests: vec![Asked { method: "POST".into(), path: "/teas/{}/make".into(), file: "tea.js".into() }],
        sections: texts(&["tea make"]),
        rows: BTreeSet::from([("POST /teas/{tea}/make".into(), "tea.make".into(), "operator".into())]),
        code: texts(&["kitaru_tea_make"]),
    }
}

/// Takes a verb away from a surface.
type TakeAway = fn(&mut Found);

#[test]
fn a_verb_that_a_surface_lacks_is_found() {
    assert_eq!(problems(&[TEA], &with_tea(), &NOTHING_SAID), [] as [String; 0]);
    let lacks: [(TakeAway, &str); 7] = [
        (|found| found.commands.clear(), "`tea.make` has no command `tea make`"),
        (|found| found.sections.clear(), "docs/cli.md has no section on `tea make`"),
        (|found| found.operations.clear(), "`tea.make` is not described as POST /teas/{tea}/make"),
        (|found| found.tools.clear(), "`tea.make` has no tool `kitaru_tea_make`"),
        (|found| found.code.clear(), "docs/mcp.md does not have `kitaru_tea_make`"),
        (|found| found.requests.clear(), "the page does not ask for `tea.make`"),
        (|found| found.rows.clear(), "docs/api.md has no row (\"POST /teas/{tea}/make\", \"tea.make\", \"operator\")"),
    ];
    for (take_away, expected) in lacks {
        let mut found = with_tea();
        take_away(&mut found);
        assert_eq!(problems(&[TEA], &found, &NOTHING_SAID), [expected]);
    }
}

#[test]
fn what_is_on_a_surface_and_no_verb_is_found() {
    let found = problems(&[], &with_tea(), &NOTHING_SAID);
    let expected = [
        "the command `tea make` is no verb's",
        "POST /teas/{tea}/make is described as `tea.make`, which is no verb",
        "the tool `kitaru_tea_make` is no verb's",
        "tea.js asks for POST /teas/{}/make, which is nothing",
        "docs/api.md has (\"POST /teas/{tea}/make\", \"tea.make\", \"operator\"), which is no verb",
    ];
    assert_eq!(found, expected);
    let elsewhere = About { path: "/teapots/{tea}/make", ..TEA };
    assert_eq!(problems(&[elsewhere], &with_tea(), &NOTHING_SAID).len(), 6, "another route is another verb's");
}

#[test]
fn an_absence_has_a_reason_and_does_not_outlive_it() {
    let without = || Found { commands: BTreeSet::new(), sections: BTreeSet::new(), requests: Vec::new(), ..with_tea() };
    let said = Said {
        commands: &[("tea.make", Err("nobody makes tea at a terminal"))],
        not_on_the_page: &[("tea.make", "nobody makes tea in a browser")],
        ..NOTHING_SAID
    };
    assert_eq!(problems(&[TEA], &without(), &said), [] as [String; 0]);
    let made = problems(&[TEA], &with_tea(), &said);
    assert_eq!(made, ["the command `tea make` is no verb's", "`tea.make` is listed as absent, and tea.js asks for it"]);
    let speechless = Said { not_on_the_page: &[("tea.make", "")], ..said };
    assert_eq!(problems(&[TEA], &without(), &speechless), ["`tea.make` is absent for no reason"]);
    let gone = Said { not_on_the_page: &[("coffee.make", "nobody makes coffee in a browser")], ..NOTHING_SAID };
    assert_eq!(problems(&[TEA], &with_tea(), &gone), ["`coffee.make` is listed, and is no verb"]);
    let local = Said { local: &[("tea make", "there is no kettle elsewhere")], ..NOTHING_SAID };
    assert_eq!(problems(&[TEA], &with_tea(), &local), ["`tea make` is listed as no verb, and is one"]);
    let tool = Said { tools: &[("kitaru_tea_make", "an assistant makes tea by itself")], ..NOTHING_SAID };
    assert_eq!(problems(&[TEA], &with_tea(), &tool), ["`kitaru_tea_make` is listed as a tool that is no verb's, and is none"]);
    let beside = Found { tools: BTreeSet::from(["kitaru_tea_make".to_owned()]), code: with_tea().code, ..Found::default() };
    assert_eq!(problems(&[], &beside, &tool), [] as [String; 0]);
    let unwritten = Found { tools: beside.tools.clone(), ..Found::default() };
    assert_eq!(problems(&[], &unwritten, &tool), ["docs/mcp.md does not have `kitaru_tea_make`"]);
}

#[test]
fn requests_of_scripts_are_read_as_they_are_sent() {
    let script = r#"
import { get, send as tell, url } from "../api.js";
import { get as other, send } from "../api.js";
// get("/comment") asks for nothing
const path = `/teas/${encodeURIComponent({ a: tea }.a)}`;
const kept = new Map().get("/map");
await get(path, {}, { signal });
await send(
  "PUT",
  `${path}/leaves/${leaf(tea)}`,
);
await send("DELETE", ofPot(pot));
h("a", { href: url("/pots") });
function ofPot(pot) {
  return `/pots/${pot.name}`;
}
function later() {
  const path = "/cups";
  return get(path);
}
"#;
    let (asked, problems) = of_script("tea.js", script);
    let mut asked: Vec<String> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    asked.sort();
    assert_eq!(asked, ["DELETE /pots/{}", "GET /cups", "GET /pots", "GET /teas/{}", "PUT /teas/{}/leaves/{}"]);
    assert_eq!(problems, [] as [String; 0]);
    let unclear =
        "import { send } from \"./api.js\";\nexport const make = (path) => send(\"POST\", path);\nsend(verb, \"/teas\");";
    assert_eq!(of_script("tea.js", unclear).1.len(), 2, "what comes from elsewhere cannot be told");
    assert_eq!(of_script("tea.js", "get(\"/teas\")"), (Vec::new(), Vec::new()), "it is not the API that is asked");
}
