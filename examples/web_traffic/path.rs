//! Paths: what names a page.

use crate::text::Text;

/// What a page is made of: requests for these are not views of a page.
const STATIC_EXTENSIONS: [&str; 13] =
    ["css", "js", "png", "gif", "jpg", "jpeg", "ico", "svg", "woff", "woff2", "ttf", "map", "txt"];

/// The path that a target names: no scheme, no authority, no query, no fragment; otherwise as it stands.
pub(crate) fn of_target(target: &[u8]) -> Text {
    let local = match without_scheme(target) {
        Some(absolute) => {
            let authority = absolute.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
            &absolute[authority.unwrap_or(absolute.len())..]
        }
        None => return Text::from(before_query(target)),
    };
    match before_query(local) {
        b"" => Text::from(&b"/"[..]),
        path => Text::from(path),
    }
}

fn without_scheme(target: &[u8]) -> Option<&[u8]> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    })
}

fn before_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
    &target[..end.unwrap_or(target.len())]
}

/// Whether a path's extension says that it is a part of pages rather than a page.
pub(crate) fn is_static(path: &Text) -> bool {
    let path = path.as_bytes();
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let Some(dot) = file.iter().rposition(|byte| *byte == b'.') else {
        return false;
    };
    let extension = &file[dot + 1..];
    STATIC_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_what_names_the_page() {
        let paths = [
            ("/a//b/?x#y", "/a//b/"),
            ("/a#y?x", "/a"),
            ("http://site/a?b", "/a"),
            ("HTTPS://site?b", "/"),
            ("http://site", "/"),
            ("http://#", "/"),
            ("ftp://site/a", "ftp://site/a"),
            ("http:/a", "http:/a"),
            ("*", "*"),
            ("?x", ""),
        ];
        for (target, path) in paths {
            assert_eq!(of_target(target.as_bytes()).as_bytes(), path.as_bytes(), "{target}");
        }
    }

    #[test]
    fn extension_follows_the_last_dot_of_the_last_part() {
        let is_static = |path: &str| is_static(&Text::from(path.as_bytes()));
        assert!(["/a.CSS", "robots.txt", "/.png", "/a/b.c.js"].into_iter().all(is_static));
        assert!(!["/", "", "/a.css/", "/css", "/a.css.gz", "/a.", "/a.js/b"].into_iter().any(is_static));
    }
}
