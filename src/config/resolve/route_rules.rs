//! What a route does to the requests it takes.

use super::Context;
use crate::config::written::{DotSegmentsText, EncodedSlashText, PathRulesText, RouteText};
use crate::model::request_path::PathRules;
use crate::model::route_rules::RouteRules;

impl Context<'_> {
    pub(super) fn rules(&mut self, text: &RouteText) -> RouteRules {
        RouteRules { paths: path_rules(text.path_rules.as_ref()) }
    }
}

fn path_rules(text: Option<&PathRulesText>) -> PathRules {
    let Some(text) = text else { return PathRules::default() };
    PathRules {
        resolves_dots: text.dot_segments == Some(DotSegmentsText::Normalize),
        keeps_encoded_slash: text.encoded_slash == Some(EncodedSlashText::Keep),
    }
}
