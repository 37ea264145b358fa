//! What was counted, in Markdown, beside the bounds.

use std::env;

use crate::{BARE, Case, Group};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its plural.
    pub name: &'static str,
    /// The most that an operation of the kit may cost on top of what its group is measured against, by group.
    pub bounds: &'static [(&'static str, f64)],
}

/// The groups whose name holds what was asked for on the command line; all if nothing was.
pub fn chosen() -> impl Fn(&Group) -> bool {
    let asked: Vec<_> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    move |group| asked.is_empty() || asked.iter().any(|part| group.name.contains(part))
}

/// The rows so far.
#[derive(Debug)]
pub struct Table {
    counter: Counter,
    /// What the bare service of the group took, once it was measured.
    bare: Option<(&'static str, f64)>,
    rows: Vec<String>,
}

impl Table {
    /// Without rows.
    pub fn new(counter: Counter) -> Self {
        Self { counter, bare: None, rows: Vec::new() }
    }

    /// Adds what was counted, and says it at once on standard error.
    pub fn row(&mut self, group: &Group, case: &Case, counted: f64) {
        if case.name.starts_with(BARE) {
            self.bare = Some((group.name, counted));
            return self.line(group, case, counted, "", "");
        }
        let bare = self.bare.filter(|(name, _)| *name == group.name).map_or(0.0, |(_, counted)| counted);
        let above = counted - bare;
        let bound = self.counter.bounds.iter().find(|(name, _)| *name == group.name);
        let verdict = match bound.filter(|_| case.name.starts_with("buttress")) {
            None => String::new(),
            Some((_, bound)) if above <= *bound => number(*bound),
            Some((_, bound)) => format!("{}, **missed**", number(*bound)),
        };
        self.line(group, case, counted, &number(above), &verdict);
    }

    fn line(&mut self, group: &Group, case: &Case, counted: f64, above: &str, verdict: &str) {
        let row = format!("| {} | {} | {} | {above} | {verdict} |", group.name, case.name, number(counted));
        eprintln!("{row}");
        self.rows.push(row);
    }

    /// The whole table, on standard output.
    #[expect(clippy::print_stdout, reason = "it is what this program is for")]
    pub fn print(self) {
        println!("| group | case | {} | without the bare service | bound |", self.counter.name);
        println!("|---|---|---:|---:|---:|");
        self.rows.iter().for_each(|row| println!("{row}"));
    }
}

/// Whole if it is large, with thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(" ")
}
