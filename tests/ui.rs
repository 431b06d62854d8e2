//! What rustc prints for each mistake. `TRYBUILD=overwrite cargo test --test ui` writes the texts anew: then read
//! them as prose.

use std::path::Path;

#[test]
fn every_mistake_has_its_error() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn every_expected_error_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            assert!(path.with_extension("rs").exists(), "{} has no program", path.display());
        }
    }
}

/// What the house promises of its errors: short, at the user's own text, in the user's own words.
#[test]
fn every_error_is_short_and_speaks_of_the_users_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let errors: Vec<&str> = text.split("\n\n").filter(|part| part.starts_with("error")).collect();
        let expected = if path.file_stem().unwrap() == "three_typos_are_three_errors" { 3 } else { 1 };
        assert_eq!(errors.len(), expected, "{}: one mistake is one error", path.display());
        for error in errors {
            assert!(error.lines().count() <= 12, "{}: an error has at most 12 lines", path.display());
            for ours in ["__private", "__psdf", "psdf_runtime", "psdf_macros", "$crate"] {
                assert!(!error.contains(ours), "{}: `{ours}` is no word of the user's", path.display());
            }
        }
    }
    assert!(seen > 40, "the expected errors are there");
}
