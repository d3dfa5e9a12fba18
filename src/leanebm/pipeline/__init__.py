"""Whole jobs, made of the other layers: the only place that knows them all."""

from leanebm.pipeline.certificate_record import CertificateRecord, record_path
from leanebm.pipeline.certify_files import ProofFile, certify_files, read_proof_file
from leanebm.pipeline.config import EMBEDDED_SERVER_URL, Override, RunConfig, read_run_config
from leanebm.pipeline.contrastive_audit import (
    AuditedNegative,
    ChosenNegative,
    NegativeAudit,
    sample_negatives,
    wilson_interval,
)
from leanebm.pipeline.contrastive_config import CLOSERS, NegativesConfig
from leanebm.pipeline.contrastive_folder import ContrastiveFolder
from leanebm.pipeline.contrastive_replay import ReplayedProof, replay_proof
from leanebm.pipeline.contrastive_report import ContrastiveReport, LabelConflicts, TierCounts
from leanebm.pipeline.contrastive_trajectory import groups_from_trajectory, read_search_groups
from leanebm.pipeline.doctor import Diagnosis, Verdict, examine
from leanebm.pipeline.embedded_server import start_embedded_server
from leanebm.pipeline.energy_guidance import EnergyConfig, Guidance, guided_scorer, open_guidance
from leanebm.pipeline.energy_sources import EnergySources, Lessons
from leanebm.pipeline.events import (
    GenerationFinished,
    GenerationStarted,
    LogObserver,
    Observer,
    PipelineEvent,
    ProofReplayed,
    RunFinished,
    RunStarted,
    SearchAdvanced,
    StageFinished,
    StageProgressed,
    StageStarted,
    TheoremFinished,
    TheoremRefused,
    TheoremStarted,
)
from leanebm.pipeline.export_pairs import certified_proofs
from leanebm.pipeline.extract_library import LIBRARY_MODULES, extract_library
from leanebm.pipeline.generate_negatives import AUDIT_FACTOR, GenerateNegatives, GenerationConfig
from leanebm.pipeline.open_queues import OpenQueue, open_queues
from leanebm.pipeline.probe import AUTOMATION, ProbeResult, probe, probe_run
from leanebm.pipeline.prove import ProofAttempt, prove, theorem_of
from leanebm.pipeline.rerooted import OpenSession, RerootedCertifier, RerootedEnvironment, RerootedSession
from leanebm.pipeline.run_folder import RunFolder, write_proof
from leanebm.pipeline.search_run import SearchRun
from leanebm.pipeline.settings import structure_settings, to_toml, unstructure_settings
from leanebm.pipeline.summary import RunSummary, summarise_run
from leanebm.pipeline.theorem_sets import BUNDLED, fit_imports, load_theorems
from leanebm.pipeline.workbench import OpenWorkbench, Workbench, open_lean, open_workbench

__all__ = [
    "AUDIT_FACTOR",
    "AUTOMATION",
    "BUNDLED",
    "CLOSERS",
    "EMBEDDED_SERVER_URL",
    "LIBRARY_MODULES",
    "AuditedNegative",
    "CertificateRecord",
    "ChosenNegative",
    "ContrastiveFolder",
    "ContrastiveReport",
    "Diagnosis",
    "EnergyConfig",
    "EnergySources",
    "GenerateNegatives",
    "GenerationConfig",
    "GenerationFinished",
    "GenerationStarted",
    "Guidance",
    "LabelConflicts",
    "Lessons",
    "LogObserver",
    "NegativeAudit",
    "NegativesConfig",
    "Observer",
    "OpenQueue",
    "OpenSession",
    "OpenWorkbench",
    "Override",
    "PipelineEvent",
    "ProbeResult",
    "ProofAttempt",
    "ProofFile",
    "ProofReplayed",
    "ReplayedProof",
    "RerootedCertifier",
    "RerootedEnvironment",
    "RerootedSession",
    "RunConfig",
    "RunFinished",
    "RunFolder",
    "RunStarted",
    "RunSummary",
    "SearchAdvanced",
    "SearchRun",
    "StageFinished",
    "StageProgressed",
    "StageStarted",
    "TheoremFinished",
    "TheoremRefused",
    "TheoremStarted",
    "TierCounts",
    "Verdict",
    "Workbench",
    "certified_proofs",
    "certify_files",
    "examine",
    "extract_library",
    "fit_imports",
    "groups_from_trajectory",
    "guided_scorer",
    "load_theorems",
    "open_guidance",
    "open_lean",
    "open_queues",
    "open_workbench",
    "probe",
    "probe_run",
    "prove",
    "read_proof_file",
    "read_run_config",
    "read_search_groups",
    "record_path",
    "replay_proof",
    "sample_negatives",
    "start_embedded_server",
    "structure_settings",
    "summarise_run",
    "theorem_of",
    "to_toml",
    "unstructure_settings",
    "wilson_interval",
    "write_proof",
]
