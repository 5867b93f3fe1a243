// Keeps what V8 compiled from one start to the next: in a checkout, and for a Node that the package has no cache for.
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { findStateDirectory } from '../config/find.ts'

/**
 * Uses the cache from here on; only a gateway that serves begins one. It lies beside the counters, the one place that a
 * service may write to, and not where Node would put it: code that lies in a temporary directory could be anybody's.
 * Without such a place there is none. Node writes it at an orderly exit; at any other time that would hold the calls up.
 */
export function useCompileCache({ env, argv: [, , command] }: Pick<NodeJS.Process, 'env' | 'argv'>): void {
  const state = findStateDirectory(env)
  if (state === undefined) return
  const directory = join(state, 'compile-cache')
  try {
    if (command !== 'serve' && !existsSync(directory)) return
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(directory)
    if (uid === process.getuid?.() && (mode & 0o022) === 0) enableCompileCache(directory)
  } catch {
    // A start without it takes longer, and does no less.
  }
}
