//! Path templates, whose grammar is in `google/api/http.proto`.

use percent_encoding::percent_decode_str;

/// A pattern for paths, whose variables fill fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
    pub(super) variables: Vec<Variable>,
}

/// A segment of a pattern, ordered from specific to general.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// A fixed text.
    Literal(String),
    /// `*`: any one segment.
    One,
    /// `**`: all remaining segments.
    Rest,
}

/// A field and the segments that fill it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) field: Vec<String>,
    start: usize,
    /// The index after the last segment. If that is `**`, the variable extends to the end of the path.
    end: usize,
}

impl Template {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix('/')?;
        let (path, verb) = match path.rsplit_once(':') {
            // A colon within a variable does not start a verb.
            Some((path, verb)) if !verb.contains(['/', '}']) => (path, Some(verb)),
            _ => (path, None),
        };
        let mut template = Self {
            segments: Vec::new(),
            verb: verb.map(str::to_owned),
            variables: Vec::new(),
        };
        let mut rest = path;
        loop {
            rest = template.parse_part(rest)?;
            match rest.strip_prefix('/') {
                Some(next) => rest = next,
                None if rest.is_empty() => break,
                None => return None,
            }
        }
        let is_rest = |segment: &Segment| *segment == Segment::Rest;
        let only_last = template
            .segments
            .iter()
            .rev()
            .skip(1)
            .all(|segment| !is_rest(segment));
        (only_last && verb != Some("")).then_some(template)
    }

    /// Parses a variable or segment, and returns the rest of the text.
    fn parse_part<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let Some(variable) = text.strip_prefix('{') else {
            let end = text.find('/').unwrap_or(text.len());
            let (segment, rest) = text.split_at(end);
            self.segments.push(Segment::parse(segment)?);
            return Some(rest);
        };
        let (variable, rest) = variable.split_once('}')?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(Segment::parse(segment)?);
        }
        let field = field.split('.').map(str::to_owned).collect();
        self.variables.push(Variable {
            field,
            start,
            end: self.segments.len(),
        });
        Some(rest)
    }

    /// Returns a key that sorts from specific to general.
    pub(super) fn specificity(&self) -> (bool, &[Segment]) {
        (self.verb.is_none(), &self.segments)
    }

    /// Returns the values of the variables, if a path matches.
    pub(super) fn captures(&self, path: &str) -> Option<Vec<String>> {
        let path = path.strip_prefix('/')?;
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
            None => path,
        };
        let parts: Vec<&str> = path.split('/').collect();
        let has_rest = self.segments.last() == Some(&Segment::Rest);
        let fits = if has_rest {
            parts.len() + 1 >= self.segments.len()
        } else {
            parts.len() == self.segments.len()
        };
        let matches = |(segment, part): (&Segment, &&str)| match segment {
            Segment::Literal(text) => text == part,
            Segment::One => !part.is_empty(),
            Segment::Rest => true,
        };
        if !fits || !self.segments.iter().zip(&parts).all(matches) {
            return None;
        }
        self.variables
            .iter()
            .map(|variable| self.capture(variable, &parts))
            .collect()
    }

    fn capture(&self, variable: &Variable, parts: &[&str]) -> Option<String> {
        let segments = self.segments.get(variable.start..variable.end)?;
        let to_end = segments.last() == Some(&Segment::Rest);
        let end = if to_end { parts.len() } else { variable.end };
        let captured = parts.get(variable.start..end)?;
        Some(match (segments, captured) {
            ([Segment::One | Segment::Literal(_)], [part]) => decode(part),
            // An encoded slash stays encoded, to tell it from a separator.
            (_, parts) => parts
                .iter()
                .map(|part| decode_except_slash(part))
                .collect::<Vec<_>>()
                .join("/"),
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::One),
            "**" => Some(Self::Rest),
            _ if text.is_empty() || text.contains(['*', '{', '}', '=', ':']) => None,
            _ => Some(Self::Literal(text.to_owned())),
        }
    }
}

/// Decodes percent-encoding. A text that is not UTF-8 stays as it is.
fn decode(part: &str) -> String {
    percent_decode_str(part)
        .decode_utf8()
        .map_or_else(|_| part.to_owned(), Into::into)
}

fn decode_except_slash(part: &str) -> String {
    let pieces: Vec<String> = part.split("%2F").map(decode_lower).collect();
    pieces.join("%2F")
}

fn decode_lower(part: &str) -> String {
    let pieces: Vec<String> = part.split("%2f").map(decode).collect();
    pieces.join("%2f")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(template: &str, path: &str) -> Option<Vec<String>> {
        Template::parse(template).unwrap().captures(path)
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads as what `captures` returns")]
    fn captured(values: &[&str]) -> Option<Vec<String>> {
        Some(values.iter().map(|&value| value.to_owned()).collect())
    }

    #[test]
    fn a_variable_stands_for_one_segment_or_its_pattern() {
        assert_eq!(captures("/v1/books", "/v1/books"), captured(&[]));
        assert_eq!(captures("/v1/books/{name}", "/v1/books/a"), captured(&["a"]));
        assert_eq!(captures("/v1/{a}/x/{b}", "/v1/1/x/2"), captured(&["1", "2"]));
        assert_eq!(
            captures("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2"),
            captured(&["shelves/1/books/2"])
        );
        assert_eq!(
            captures("/v1/{name=files/**}", "/v1/files/a/b/c"),
            captured(&["files/a/b/c"])
        );
        assert_eq!(captures("/v1/{name=files/**}", "/v1/files"), captured(&["files"]));
        assert_eq!(captures("/v1/{name=**}:read", "/v1/a/b:read"), captured(&["a/b"]));
        assert_eq!(captures("/v1/{a.b.c}", "/v1/x"), captured(&["x"]));
    }

    #[test]
    fn any_other_path_does_not_match() {
        for (template, path) in [
            ("/v1/books", "/v1/books/"),
            ("/v1/books", "/v1/Books"),
            ("/v1/books", "/v1"),
            ("/v1/books/{name}", "/v1/books"),
            ("/v1/books/{name}", "/v1/books/"),
            ("/v1/books/{name}", "/v1/books/a/b"),
            ("/v1/books/{name}", "//v1/books/a"),
            ("/v1/{name=shelves/*}", "/v1/shelf/1"),
            ("/v1/{name}:read", "/v1/a"),
            ("/v1/{name}:read", "/v1/:read"),
            ("/v1/{name}:read", "/v1/a:write"),
        ] {
            assert_eq!(captures(template, path), None, "{template} {path}");
        }
    }

    #[test]
    fn percent_encoding_is_decoded_unless_malformed() {
        assert_eq!(captures("/{a}", "/%C3%A9%20%2F"), captured(&["é /"]));
        assert_eq!(captures("/{a}", "/%FF"), captured(&["%FF"]));
        assert_eq!(captures("/{a}", "/%zz"), captured(&["%zz"]));
        assert_eq!(
            captures("/{a=x/**}", "/x/%41%2Fb/%2f"),
            captured(&["x/A%2Fb/%2f"])
        );
        // The template, not the path, decides between one segment and several.
        assert_eq!(captures("/{a=**}", "/%41%2Fb"), captured(&["A%2Fb"]));
    }

    #[test]
    fn a_malformed_template_is_refused() {
        for template in [
            "", "v1", "/v1/{", "/v1/{a", "/v1/a}", "/v1//a", "/v1/**/a", "/v1/a*", "/v1/{a=}", "/v1/a:",
            "/v1/{a}b",
        ] {
            assert_eq!(Template::parse(template), None, "{template}");
        }
    }
}
