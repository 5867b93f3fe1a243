// The package's one bundle, and what V8 made of it when it was built. With that the gateway listens 110 ms after its start,
// without it after 175. (Node's own compile cache would need a first start to fill it and a trusted folder, and take 140.)
// V8 accepts such a cache only from the very same build of Node (its version, its flags, its snapshot), and compiles the
// source otherwise. It trusts the cache without looking at the source, so both are written together.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import { disablePretenuring } from '../platform/node/pretenuring.ts'
import type { createProgram } from './program.ts'

interface Bundle {
  program(): { readonly createProgram: typeof createProgram }
  /** Evaluates the worker, in its thread. */
  worker(): unknown
}

export interface LoadedBundle {
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

/** @param directory the folder `dist`, with a cache for this Node or without one. */
export function loadBundle(directory: string): LoadedBundle {
  // As serve does: otherwise the cache would be for other flags, in the workers at least.
  disablePretenuring()
  const filename = join(directory, 'gateway.cjs')
  // All of it is ASCII, and a one-byte string is read fastest and takes the least memory.
  const source = readFileSync(filename, 'latin1')
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`
  const cachedData = readIfThere(codeCacheFile(directory))
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

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

export function codeCacheFile(directory: string): string {
  return join(directory, `gateway-${process.version}-${process.platform}-${process.arch}.cache`)
}
