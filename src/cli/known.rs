//! Reads the manifest of a run, before the run begins.

use std::path::Path;

use super::error::Error;
use crate::cancel::CancelToken;
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::verify;

/// Reads the manifest that the plan names, if it names one. Its hash becomes that of the run, unless
/// the plan `is_fixed`: then it must be that of the plan.
///
/// # Errors
/// If the run could not begin, or if the manifest cannot be used.
pub fn read(plan: &mut Plan, is_fixed: bool, cancel: &CancelToken) -> Result<Option<Manifest>, Error> {
    let Some(place) = &plan.manifest else { return Ok(None) };
    // A large manifest takes minutes. What would keep the run from starting is told before.
    verify::check(plan)?;
    verify::make_restore_folder(&plan.target)?;
    let cancel = cancel.with_deadline(plan.limits.time_limit.map(|limit| std::time::Instant::now() + limit));
    let manifest = Manifest::read(place, &plan.target.restore_to, &cancel)?;
    let originals: Vec<&Path> = plan.target.originals().collect();
    let asked = (is_fixed || plan.engine.hash_is_given).then_some(plan.engine.hash);
    plan.engine.hash = manifest.algorithm(&originals, asked)?;
    Ok(Some(manifest))
}
