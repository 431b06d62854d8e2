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

/// A code without a case would be a message that nobody has read.
#[test]
fn every_code_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("macros/src/diagnostics.rs")).unwrap();
    let codes: Vec<&str> =
        source.split('"').filter(|text| text.len() == 4 && text.starts_with('P')).collect();
    assert!(codes.len() >= 22, "the codes are where they were: {codes:?}");
    let mut cases = String::new();
    for entry in std::fs::read_dir(root.join("tests/ui")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            cases.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    for code in codes {
        assert!(cases.contains(&format!("[{code}]")), "no case in tests/ui has the code {code}");
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
        let expected = match path.file_stem().and_then(|name| name.to_str()) {
            Some("three_typos_are_three_errors") => 3,
            Some("five_mistakes_are_five_errors") => 5,
            _ => 1,
        };
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
