//! The page of operators against the tables of the language, both read as text.

const TABLES: &str = include_str!("../macros/src/operators.rs");
const PAGE: &str = include_str!("../docs/operators.md");

/// The names of the rows of a table: what follows `row(` in quotes.
fn names(table: &str, row: &str) -> Vec<&'static str> {
    let start = TABLES.find(table).expect("the table is there");
    let rows = TABLES[start..].split("\n];").next().unwrap_or_default();
    let calls = rows.split(row).skip(1);
    calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

/// Those of which the page has no part, or not in its list at the top.
fn missing(names: &[&'static str], call: &str) -> Vec<&'static str> {
    let has = |name: &str| {
        PAGE.contains(&format!("\n### `{name}{call}`\n"))
            && PAGE.contains(&format!("\n| [`{name}{call}`](#{name}"))
    };
    names.iter().copied().filter(|name| !has(name)).collect()
}

#[test]
fn every_operator_has_its_part_of_the_page() {
    let operators = names("const OPERATORS:", " op(");
    assert!(operators.contains(&"map") && operators.contains(&"map_async") && operators.contains(&"lookup"));
    assert_eq!(missing(&operators, ""), [""; 0]);
}

#[test]
fn every_aggregate_function_has_its_part_of_the_page() {
    let functions = names("const FUNCTIONS:", " function(");
    assert!(functions.contains(&"count") && functions.contains(&"min") && functions.contains(&"quantile"));
    assert_eq!(missing(&functions, "()"), [""; 0]);
}
