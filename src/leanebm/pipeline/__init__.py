"""Whole jobs, made of the other layers: the only place that knows them all."""

from leanebm.pipeline.certification_run import CertificationRun
from leanebm.pipeline.comparison.comparison import (
    BudgetComparison,
    DepthComparison,
    Interval,
    RunComparison,
    compare_runs,
)
from leanebm.pipeline.comparison.page import write_comparison_page
from leanebm.pipeline.config import EMBEDDED_SERVER_URL, Override, Parts, RunConfig, read_run_config, structure_with
from leanebm.pipeline.conjecture_run import ConjectureCounts, ConjectureRun
from leanebm.pipeline.contrastive.audit import AuditedNegative, ChosenNegative, NegativeAudit
from leanebm.pipeline.contrastive.certified_proofs import certified_proofs
from leanebm.pipeline.contrastive.config import CLOSERS, NegativesConfig
from leanebm.pipeline.contrastive.contrastive_run import AUDIT_FACTOR, ContrastiveConfig, ContrastiveRun
from leanebm.pipeline.contrastive.folder import ContrastiveFolder, ContrastiveReport, LabelConflicts, TierCounts
from leanebm.pipeline.contrastive.trajectory import groups_from_trajectory, read_search_groups
from leanebm.pipeline.doctor import Health, HealthCheck, examine
from leanebm.pipeline.energy.guidance import SHIPPED_HEAD, SHIPPED_MODEL_HEAD, EnergyConfig, guided_scorer
from leanebm.pipeline.energy.sources import EnergySources
from leanebm.pipeline.engines.engine import Ended, Engine, Job, Station
from leanebm.pipeline.engines.local_engine import LocalEngine
from leanebm.pipeline.engines.merge import merge
from leanebm.pipeline.engines.ray_engine import RayEngine
from leanebm.pipeline.engines.shards_engine import ShardsEngine, Share
from leanebm.pipeline.evaluation.answer_file import AnswerFile
from leanebm.pipeline.evaluation.arena import Arena
from leanebm.pipeline.evaluation.evaluation_run import Evaluation, EvaluationRun, Headroom
from leanebm.pipeline.evaluation.tuning_run import ALPHAS, BETAS, TunedArm, Tuning, TuningRun, judged_area
from leanebm.pipeline.events import (
    LogObserver,
    Observer,
    PipelineEvent,
    Stage,
    StageFinished,
    StageItem,
    StageProgressed,
    StageStarted,
    stage,
)
from leanebm.pipeline.fill.fill_report import FilledTheorem, FillReport, SorryReport
from leanebm.pipeline.fill.fill_run import FillRun, filled_path
from leanebm.pipeline.finetune.config import FinetuneConfig, LessonKind
from leanebm.pipeline.finetune.lessons import FinetuneSources
from leanebm.pipeline.iteration.manifest import IterationManifest, StageRecord
from leanebm.pipeline.iteration.page import iteration_table, write_iteration_page
from leanebm.pipeline.iteration.policy_step import NothingToLearn, PolicyStep
from leanebm.pipeline.iteration.summary import IterationRow, IterationSummary, is_iteration, summarise_iteration
from leanebm.pipeline.library_run import LIBRARY_MODULES, LibraryRun
from leanebm.pipeline.parts import Part, part_table
from leanebm.pipeline.proof_file_report import ProofFileReport
from leanebm.pipeline.proof_service import ProofService, ServiceLimits, serve_mcp
from leanebm.pipeline.result_table import ResultTable, columns_of
from leanebm.pipeline.results import Results
from leanebm.pipeline.reward import ProofReward
from leanebm.pipeline.run_folder import CertificateRecord, RunFolder, proof_files, record_path, write_proof
from leanebm.pipeline.search.probe_run import AUTOMATION, ProbeResult, ProbeRun, probe
from leanebm.pipeline.search.proof_run import ProofAttempt, ProofRun, read_context, theorem_of
from leanebm.pipeline.search.prover import Prover, prove
from leanebm.pipeline.search.search_run import SearchRun
from leanebm.pipeline.search.searched_theorem import SearchedTheorem
from leanebm.pipeline.search.summary import RunSummary, summarise_run
from leanebm.pipeline.settings import structure_settings, to_toml, unstructure_settings
from leanebm.pipeline.taped import recorded_toml, refuse_clock, taped
from leanebm.pipeline.theorem_check import Cause, StatementCheck, TheoremCheckRun, check_statements
from leanebm.pipeline.theorem_sets import BUNDLED, find_theorems, fit_imports, load_theorems, notes_on
from leanebm.pipeline.view.page import write_view
from leanebm.pipeline.view.server import ViewServer
from leanebm.pipeline.workbench import (
    LeanParts,
    Workbench,
    WorkbenchOpener,
    open_lean_parts,
    open_workbench,
    start_embedded_server,
)

__all__ = [
    "ALPHAS",
    "AUDIT_FACTOR",
    "AUTOMATION",
    "BETAS",
    "BUNDLED",
    "CLOSERS",
    "EMBEDDED_SERVER_URL",
    "LIBRARY_MODULES",
    "SHIPPED_HEAD",
    "SHIPPED_MODEL_HEAD",
    "AnswerFile",
    "Arena",
    "AuditedNegative",
    "BudgetComparison",
    "Cause",
    "CertificateRecord",
    "CertificationRun",
    "ChosenNegative",
    "ConjectureCounts",
    "ConjectureRun",
    "ContrastiveConfig",
    "ContrastiveFolder",
    "ContrastiveReport",
    "ContrastiveRun",
    "DepthComparison",
    "Ended",
    "EnergyConfig",
    "EnergySources",
    "Engine",
    "Evaluation",
    "EvaluationRun",
    "FillReport",
    "FillRun",
    "FilledTheorem",
    "FinetuneConfig",
    "FinetuneSources",
    "Headroom",
    "Health",
    "HealthCheck",
    "Interval",
    "IterationManifest",
    "IterationRow",
    "IterationSummary",
    "Job",
    "LabelConflicts",
    "LeanParts",
    "LessonKind",
    "LibraryRun",
    "LocalEngine",
    "LogObserver",
    "NegativeAudit",
    "NegativesConfig",
    "NothingToLearn",
    "Observer",
    "Override",
    "Part",
    "Parts",
    "PipelineEvent",
    "PolicyStep",
    "ProbeResult",
    "ProbeRun",
    "ProofAttempt",
    "ProofFileReport",
    "ProofReward",
    "ProofRun",
    "ProofService",
    "Prover",
    "RayEngine",
    "ResultTable",
    "Results",
    "RunComparison",
    "RunConfig",
    "RunFolder",
    "RunSummary",
    "SearchRun",
    "SearchedTheorem",
    "ServiceLimits",
    "ShardsEngine",
    "Share",
    "SorryReport",
    "Stage",
    "StageFinished",
    "StageItem",
    "StageProgressed",
    "StageRecord",
    "StageStarted",
    "StatementCheck",
    "Station",
    "TheoremCheckRun",
    "TierCounts",
    "TunedArm",
    "Tuning",
    "TuningRun",
    "ViewServer",
    "Workbench",
    "WorkbenchOpener",
    "certified_proofs",
    "check_statements",
    "columns_of",
    "compare_runs",
    "examine",
    "filled_path",
    "find_theorems",
    "fit_imports",
    "groups_from_trajectory",
    "guided_scorer",
    "is_iteration",
    "iteration_table",
    "judged_area",
    "load_theorems",
    "merge",
    "notes_on",
    "open_lean_parts",
    "open_workbench",
    "part_table",
    "probe",
    "proof_files",
    "prove",
    "read_context",
    "read_run_config",
    "read_search_groups",
    "record_path",
    "recorded_toml",
    "refuse_clock",
    "serve_mcp",
    "stage",
    "start_embedded_server",
    "structure_settings",
    "structure_with",
    "summarise_iteration",
    "summarise_run",
    "taped",
    "theorem_of",
    "to_toml",
    "unstructure_settings",
    "write_comparison_page",
    "write_iteration_page",
    "write_proof",
    "write_view",
]
