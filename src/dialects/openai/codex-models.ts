// The rows that Codex reads from a list of models. All that its versions require must be there, or it takes none of them.
// https://github.com/openai/codex/blob/main/codex-rs/protocol/src/openai_models.rs
import type { ModelFacts } from '../../domain.ts'
import { contextLengthOf } from '../model-facts.ts'

/** Codex sends them in place of its own, which it has only for OpenAI's models. */
const instructions = `You are a coding agent that works in the user's terminal through Codex.

- Read the files that matter before you change them, and follow the conventions that you find, including those of AGENTS.md.
- Carry the task through: edit the files yourself with the tools that you have, then run the project's own checks on what you changed.
- Keep changes small and to the point. Do not revert changes that are not yours, and commit only when asked to.
- Prefer fast searches (rg) and read no more than you need. Never guess what a command or file contains.
- When you are done, or need a decision, answer briefly: what you changed, where, and what is left.`

/** What Codex assumes of a model that it does not know: how much of a tool's output it keeps. */
const truncation = { mode: 'bytes', limit: 10_000 }

/** @param priority its place in the list, from 1 on. */
export function renderCodexModel(slug: string, priority: number, facts: ModelFacts = {}): object {
  const context = contextLengthOf(facts)
  return {
    slug,
    display_name: slug,
    description: null,
    supported_reasoning_levels: [],
    shell_type: 'shell_command',
    visibility: 'list',
    supported_in_api: true,
    priority,
    upgrade: null,
    base_instructions: instructions,
    supports_reasoning_summaries: false,
    support_verbosity: false,
    default_verbosity: null,
    apply_patch_tool_type: null,
    truncation_policy: truncation,
    supports_parallel_tool_calls: true,
    ...(context !== undefined && { context_window: context }),
    experimental_supported_tools: [],
  }
}
