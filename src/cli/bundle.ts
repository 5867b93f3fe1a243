// The package's two bundles, the gateway and the other commands, and what V8 made of each when it was built. With that the
// gateway listens 110 ms after its start, without it after 175. (Node's own compile cache would need a first start to fill
// it and a trusted folder, and take 140.)
// V8 accepts such a cache only from the very same build of Node (its version, its flags, its snapshot), and compiles the
// source otherwise. It trusts the cache without looking at the source, so both are written together.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import type { createProgram as createCommands } from './program.ts'
import type { createProgram as createServe } from './serve-program.ts'

interface Bundles {
  gateway: {
    program(): { readonly createProgram: typeof createServe }
    /** Evaluates the worker, in its thread. */
    worker(): unknown
  }
  commands: { program(): { readonly createProgram: typeof createCommands } }
}

export type BundleName = keyof Bundles

export const bundleNames: readonly BundleName[] = ['gateway', 'commands']

export interface LoadedBundle<Name extends BundleName> {
  readonly script: Script
  /** Evaluates it, as Node's loader does with a CommonJS module. */
  run(): Bundles[Name]
}

type Evaluate = (
  exports: unknown,
  require: NodeJS.Require,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void

/** The form of a bundle. The build writes it, because joining the parts at a start would copy all of the source. */
export function moduleFunction(code: string): string {
  return `(function (exports, require, module, __filename, __dirname) {${code}\n})`
}

/** @param directory the folder `dist`, with a cache for this Node or without one. */
export function loadBundle<Name extends BundleName>(directory: string, name: Name): LoadedBundle<Name> {
  const filename = join(directory, `${name}.cjs`)
  // All of it is ASCII, so that its string takes one byte for each character.
  const source = readFileSync(filename, 'utf8')
  const cachedData = readIfThere(codeCacheFile(directory, name))
  const script = new Script(source, { filename, ...(cachedData === undefined ? {} : { cachedData }) })
  return {
    script,
    run() {
      const module = { exports: {} }
      const evaluate = script.runInThisContext() as Evaluate
      evaluate(module.exports, createRequire(filename), module, filename, dirname(filename))
      return module.exports as Bundles[Name]
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

export function codeCacheFile(directory: string, name: BundleName): string {
  return join(directory, `${name}-${process.version}-${process.platform}-${process.arch}.cache`)
}
