"""Who does which items of a job: this process, or workers that share the folder."""
