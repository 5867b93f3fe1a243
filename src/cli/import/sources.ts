// The programs whose configuration can be imported, in the order in which their shapes are tried.
import { isObject } from '../../bytes/json/parse.ts'
import { claudeCodeRouter } from './claude-code-router.ts'
import { liteLlm } from './lite-llm.ts'
import { llamaSwap } from './llama-swap.ts'
import { llmRouter } from './llm-router.ts'
import { olla } from './olla.ts'
import type { Source } from './source.ts'

export const sources: readonly Source[] = [liteLlm, olla, llmRouter, claudeCodeRouter, llamaSwap]

/** The source of this name, or the one whose shape a document has. */
export function findSource(value: unknown, name: string | undefined): Source | undefined {
  if (name !== undefined) return sources.find((source) => source.name === name)
  return isObject(value) ? sources.find((source) => source.recognizes(value)) : undefined
}
