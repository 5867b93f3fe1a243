// Applies the configuration file to a running gateway again: on request, and when the file changes, or a stored secret that
// it refers to (`server.watch_config`). A file with problems is refused: the gateway keeps the configuration that it has.
import { type LoadedConfig, openConfig, storedSecretFiles } from '../config/load.ts'
import type { Problem } from '../config/problems.ts'
import type { Config } from '../config/types.ts'
import { fileVersion, watchForChanges } from '../config/watch.ts'
import { reasonOf } from '../platform/thrown.ts'
import type { App } from './app.ts'

export interface ReloaderParts {
  readonly app: Pick<App, 'reload' | 'events'>
  readonly env: NodeJS.ProcessEnv
  readonly configFile: string
  /** What the app was started with, and the version of the file that it was read from. */
  readonly config: Config
  readonly configVersion: string | undefined
  /** Of the stored secrets that the configuration refers to. */
  readonly secretFiles: readonly string[]
  /** Called before the file is read. */
  readonly onBegin: () => void
  /** Called with the content of the file, before anything is applied. */
  readonly onRead: (loaded: LoadedConfig) => void
  readonly onResult: (result: ReloadResult) => void
}

export type ReloadResult =
  /** `needsRestart`: the keys of the file whose new values only a restart applies. */
  | { readonly kind: 'applied'; readonly needsRestart: readonly string[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] }

export class Reloader {
  readonly #parts: ReloaderParts
  #config: Config
  #version: string | undefined
  /** By path: the versions that were read last. */
  #secrets: ReadonlyMap<string, string | undefined>
  #stopWatching = () => {}
  #isStopped = false
  /** Resolves when the last reload that was requested has ended. */
  #last = Promise.resolve()

  /** Watches the file from here on if the configuration asks for that. */
  constructor(parts: ReloaderParts) {
    this.#parts = parts
    this.#config = parts.config
    this.#version = parts.configVersion
    this.#secrets = versionsOf(parts.secretFiles)
    this.#watch()
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config
  }

  /** Resolves when the file is applied or refused. One after the other; does nothing once stopped. */
  reload(): Promise<void> {
    const next = () => this.#reload()
    return (this.#last = this.#last.then(next, next))
  }

  async #reload(): Promise<void> {
    if (this.#isStopped) return
    const { app, env, configFile, onBegin, onRead, onResult } = this.#parts
    onBegin()
    this.#version = fileVersion(configFile)
    const before = versionsOf([...this.#secrets.keys()])
    const loaded = await openConfig(configFile, { env }).catch((error: unknown) => notRead(configFile, error))
    if (this.#isStopped) return
    onRead(loaded)
    if (!loaded.ok) {
      app.events.emit({
        kind: 'reload_refused',
        config: configFile,
        problems: loaded.problems.map(formatProblem),
      })
      onResult({ kind: 'refused', problems: loaded.problems })
      return
    }
    const needsRestart = await app.reload(loaded.config)
    if (this.#isStopped) return
    this.#config = loaded.config
    const files = storedSecretFiles(loaded.raw, configFile, env)
    this.#secrets = new Map([...versionsOf(files), ...[...before].filter(([path]) => files.includes(path))])
    this.#watch()
    app.events.emit({ kind: 'reloaded', config: configFile, needs_restart: needsRestart })
    onResult({ kind: 'applied', needsRestart })
  }

  /** Ends the watching; a reload under way has no further effect. */
  stop(): void {
    this.#isStopped = true
    this.#stopWatching()
  }

  #watch(): void {
    this.#stopWatching()
    if (!this.#config.server.watchConfig) return
    const files = [[this.#parts.configFile, this.#version] as const, ...this.#secrets]
    const stops = files.map(([path, version]) => watchForChanges(path, version, () => void this.reload()))
    this.#stopWatching = () => stops.forEach((stop) => stop())
  }
}

/** What a reload lacks that a start has: the program's own files may have been replaced or removed since. */
function notRead(file: string, error: unknown): LoadedConfig {
  const problem = {
    file,
    line: 0,
    column: 0,
    path: '',
    message: `cannot be checked by the running program: ${reasonOf(error)}`,
    hint: 'restart the gateway if its program was replaced or removed since it started',
    severity: 'error',
  } as const
  return { ok: false, problems: [problem], lines: [] }
}

function versionsOf(paths: readonly string[]): Map<string, string | undefined> {
  return new Map(paths.map((path) => [path, fileVersion(path)]))
}

/** A problem on one line: `FILE:LINE:COLUMN PATH: message`. */
function formatProblem({ file, line, column, path, message }: Problem): string {
  return `${file}${line > 0 ? `:${line}:${column}` : ''} ${path && `${path}: `}${message}`
}

/** The first error on one line, and how many more there are. */
export function formatFirstError(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error')
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return errors[0] === undefined ? 'unknown' : formatProblem(errors[0]) + more
}
