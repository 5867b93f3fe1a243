// The package's one bundle, and what V8 made of it when it was built: a start that compiles it takes twice as long.
// V8 takes such a cache from the very same build of Node only (its version, its flags, its snapshot) and compiles the
// source otherwise. It believes the cache without looking at the source, so that both are written together.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import type { createProgram } from './program.ts'

export interface Bundle {
  program(): { readonly createProgram: typeof createProgram }
  /** Evaluates the worker, in its thread. */
  worker(): unknown
}

export interface CompiledBundle {
  readonly script: Script
  /** Evaluates it, as Node's loader does with a CommonJS module. */
  run(): Bundle
}

type Evaluate = (
  exports: unknown,
  require: NodeJS.Require,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void

/** The bundle in the folder `dist`; undefined where there is no cache for this Node. */
export function readBundle(directory: string): CompiledBundle | undefined {
  let cachedData: Buffer
  try {
    cachedData = readFileSync(codeCacheFile(directory))
  } catch {
    return undefined
  }
  return compileBundle(directory, cachedData)
}

export function compileBundle(directory: string, cachedData?: Buffer): CompiledBundle {
  const filename = bundleFile(directory)
  // All of it is ASCII, and a string of such bytes is read fastest and takes the least.
  const source = readFileSync(filename, 'latin1')
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`
  const script = new Script(wrapped, { filename, ...(cachedData === undefined ? {} : { cachedData }) })
  return {
    script,
    run() {
      const module = { exports: {} }
      const evaluate = script.runInThisContext() as Evaluate
      evaluate(module.exports, createRequire(filename), module, filename, dirname(filename))
      return module.exports as Bundle
    },
  }
}

/** Through Node's own loader, which uses its compile cache. */
export function requireBundle(directory: string): Bundle {
  const filename = bundleFile(directory)
  return createRequire(filename)(filename) as Bundle
}

function bundleFile(directory: string): string {
  return join(directory, 'gateway.cjs')
}

export function codeCacheFile(directory: string): string {
  return join(directory, `gateway-${process.version}-${process.platform}-${process.arch}.cache`)
}
