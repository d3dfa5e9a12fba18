"""Fine-tuning a language model into a better policy: from proofs that were certified to a LoRA adapter."""
