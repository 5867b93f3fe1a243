// Where tests and the gateways that they start keep compiled code. Loaded before a program (`--import`), it makes the
// worker threads use it too, which do not have the environment of their process.
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'

export const compileCache = join(import.meta.dirname, '../../node_modules/.cache/test')

/** The module to load before a program. */
export const compileCacheOfWorkers = import.meta.filename

const { NODE_COMPILE_CACHE } = process.env
/** For the environment of a program that does not inherit that of `npm test`. */
export const compileCacheEnv = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }

if (!isMainThread) enableCompileCache(compileCache)
