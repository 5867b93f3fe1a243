// The package's one bundle, and what V8 made of it when it was built. With that the gateway listens 110 ms after its start,
// without it after 175. (Node's own compile cache would need a first start to fill it and a trusted folder, and take 140.)
// V8 accepts such a cache only from the very same build of Node (its version, its flags, its snapshot), and compiles the
// source otherwise. It trusts the cache without looking at the source, so both are written together.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
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

/** The form of gateway.cjs. The build writes it, because joining the parts at a start would copy all of the source. */
export function moduleFunction(code: string): string {
  return `(function (exports, require, module, __filename, __dirname) {${code}\n})`
}

/** @param directory the folder `dist`, with a cache for this Node or without one. */
export function loadBundle(directory: string): LoadedBundle {
  const filename = join(directory, 'gateway.cjs')
  // All of it is ASCII, so that its string takes one byte for each character.
  const source = readFileSync(filename, 'utf8')
  const cachedData = readIfThere(codeCacheFile(directory))
  const script = new Script(source, { filename, ...(cachedData === undefined ? {} : { cachedData }) })
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
