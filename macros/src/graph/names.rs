//! Names as they are written, shown and generated.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;

pub(crate) fn record_name(node: &Ident) -> Ident {
    identifier(&pascal(&text(node)), node.span())
}

pub(crate) fn state_name(node: &Ident) -> Ident {
    identifier(&format!("{}State", pascal(&text(node))), node.span())
}

/// A name as it is shown, stored and compared: without the `r#` that makes a name of a keyword.
pub(crate) fn text(name: &Ident) -> String {
    name.unraw().to_string()
}

/// The name of the module of a flow, which is another than that of the flow itself.
pub(crate) fn module_name(flow: &Ident) -> Ident {
    let (flow, span) = (text(flow), flow.span());
    let module = snake(&flow);
    if module == flow { identifier(&format!("{module}_"), span) } else { identifier(&module, span) }
}

/// What is nearest to a text and can be a name.
pub(crate) fn identifier(text: &str, span: Span) -> Ident {
    let text = match text.chars().next() {
        Some(first) if !first.is_numeric() => text.to_string(),
        _ => format!("_{text}_"),
    };
    match text.as_str() {
        "self" | "Self" | "super" | "crate" | "_" => Ident::new(&format!("{text}_"), span),
        text if syn::parse_str::<Ident>(text).is_ok() => Ident::new(text, span),
        text => Ident::new_raw(text, span),
    }
}

/// `page_hours` becomes `PageHours`.
pub(super) fn pascal(name: &str) -> String {
    let mut result = String::new();
    for part in name.split('_') {
        let mut letters = part.chars();
        result.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        result.extend(letters);
    }
    result
}

/// `WebTraffic` becomes `web_traffic`.
pub(super) fn snake(name: &str) -> String {
    let mut result = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (i, &letter) in letters.iter().enumerate() {
        let begins = letter.is_uppercase()
            && i > 0
            && (!letters[i - 1].is_uppercase() || letters.get(i + 1).is_some_and(|next| next.is_lowercase()))
            && letters[i - 1] != '_';
        if begins {
            result.push('_');
        }
        result.extend(letter.to_lowercase());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_case_as_rust_does() {
        assert_eq!(pascal("page_hours"), "PageHours");
        assert_eq!(snake("WebTraffic"), "web_traffic");
        assert_eq!(snake("HTTPLog"), "http_log");
    }

    #[test]
    fn every_name_leads_to_names() {
        let named = |name: &str| identifier(name, Span::call_site()).to_string();
        assert_eq!([pascal("_"), pascal("__1")], ["", "1"]);
        assert_eq!(
            [named(""), named("1"), named("Self"), named("type"), named("a")],
            ["__", "_1_", "Self_", "r#type", "a"]
        );
    }
}
