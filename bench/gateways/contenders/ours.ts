// Ours, with every feature that is on by default: guards, the check of the peer's Unix user, the flood limit, limits by
// model with their state on disk, retries, the log. Limits are set high, so that they count everything and refuse nothing.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { baselineName } from '../report.ts'
import type { Contender, Found, FindOptions, Launch, Place } from '../contender.ts'
import { cacheDirectory } from '../cache.ts'
import { benchKey, type Features, featureLines, keyFileText } from '../features.ts'

const thisCheckout = join(import.meta.dirname, '../../..')
/** The most that the configuration takes. */
const rpm = 10_000_000
const tpm = 1_000_000_000_000

export interface OwnSetup {
  /** Besides `bench`. */
  readonly models: readonly string[]
  /** With `native`, a model at a provider that speaks Messages; the others' speaks chat. */
  readonly hasNative?: boolean
  /** Node loads this module first: a probe that the product knows nothing of. */
  readonly probe?: string
  /** The checkout that is built; absent: this one. */
  readonly root?: string
  /** Other than by default. */
  readonly features?: Features
  /** The whole configuration as YAML, in place of the one with `models`. */
  readonly config?: (place: Place) => string
  /** That calls come with; absent: none is asked for. */
  readonly key?: string
  /** Not pinned to one core. */
  readonly isSpread?: boolean
  /** Writes what else the gateway shall find, before it starts. @param directory has the configuration, and `state` in it */
  readonly prepare?: (directory: string) => void
}

const models = ['second', 'third', 'fourth']

export const ours: Contender = createOurs('llm-gateway', { models })

/** Of figures that are measured of ours alone. */
export function isOurs(contender: Contender): boolean {
  return contender === ours
}

/** Ours with a feature on or off, other than by default: what each of them costs. */
export const variants: readonly Contender[] = [
  createVariant('with keys', 'every call with a key', { keys: true }),
  createVariant('without ledger', '`usage.enabled: false`', { ledger: false }),
  createVariant('without metrics', '`metrics.enabled: false`', { metrics: false }),
  createVariant('without status page', '`status.enabled: false`', { status: false }),
  createVariant('without all three', 'ledger, metrics and status page off', {
    ledger: false,
    metrics: false,
    status: false,
  }),
]

function createVariant(name: string, difference: string, features: Features): Contender {
  // What the metrics or the page take of memory shows only together with the rest.
  const isWeighed = features.ledger === false
  return {
    ...createOurs(name, { models, features, ...(features.keys === true && { key: benchKey }) }),
    setup: `as \`${ours.name}\`, and ${difference}`,
    isVariant: true,
    measurements: ['cpu', 'throughput', 'first-event', ...(isWeighed ? ['life'] : [])],
  }
}

/** Another checkout of llm-gateway with its packages installed, built and set up like ours. */
export function createBaseline(root: string): Contender {
  return { ...createOurs(baselineName, { models, root }), isVariant: true }
}

export function createOurs(name: string, own: OwnSetup): Contender {
  return {
    name,
    setup:
      '`bin/llm-gateway serve` of the built package, every default on (keys are off by default); 4 models with `rpm` and `tpm`, and `per_client`, all too high to refuse anything; JSON log to a file; state directory on disk',
    entrances: {
      chat: { path: '/v1/chat/completions', model: 'bench' },
      messages: { path: '/v1/messages', model: 'bench' },
      responses: { path: '/v1/responses', model: 'bench' },
    },
    ...(own.key !== undefined && { headers: () => ({ authorization: `Bearer ${own.key}` }) }),
    readyPath: '/readyz',
    find: (options) => Promise.resolve(find(own, options)),
  }
}

function find(own: OwnSetup, options: FindOptions): Found {
  const root = own.root ?? thisCheckout
  const home = options.isPacked ? pack(root) : root
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return { kind: 'found', version: version + commitOf(root), launch: (place) => launch(home, own, place) }
}

/** Nothing where there is no git. */
function commitOf(root: string): string {
  const git = (...args: string[]) =>
    spawnSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const { status, stdout } = git('rev-parse', '--short', 'HEAD')
  if (status !== 0) return ''
  const isChanged = git('status', '--porcelain', '--untracked-files=no').stdout !== ''
  return ` (${stdout.trim()}${isChanged ? ' with changes' : ''})`
}

function launch(home: string, own: OwnSetup, place: Place): Launch {
  const { models, hasNative = false, probe, root = thisCheckout, features = {} } = own
  own.prepare?.(place.directory)
  const serve = ['serve', '--config', join(place.directory, 'llm-gateway.yaml')]
  const common = {
    isSpread: own.isSpread ?? false,
    env: { HOME: place.directory, STATE_DIRECTORY: join(place.directory, 'state') },
    files: {
      'llm-gateway.yaml': own.config?.(place) ?? config(place, models, hasNative) + featureLines(features),
      ...(features.keys === true ? { 'keys.json': keyFileText() } : {}),
    },
  }
  if (probe === undefined) return { ...common, command: join(home, 'bin/llm-gateway'), args: serve }
  const main = join(home, home === root ? 'src/main.ts' : 'dist/main.cjs')
  return {
    ...common,
    command: process.execPath,
    args: ['--disable-sigusr1', '--import', probe, main, ...serve],
    withChannel: true,
  }
}

/** Others have windows of the least size, so that thousands of them fit. */
function config({ port, upstreamPort }: Place, models: readonly string[], hasNative: boolean): string {
  const address = `http://127.0.0.1:${upstreamPort}/v1`
  const few = models.length < 100
  return `
server: { hosts: [127.0.0.1], port: ${port}, shutdown_grace_ms: 1000 }
rate_limit_settings:
  per_client: { rpm: ${rpm} }
  default: { rpm: ${few ? rpm : 250}, tpm: ${tpm} }
  limits:
    bench: { rpm: ${rpm}, tpm: ${tpm} }
providers:
  scripted: { base_url: "${address}", speaks: [chat] }
${hasNative ? `  native: { base_url: "${address}", speaks: [messages] }\n` : ''}models:
${hasNative ? '  native: { provider: native }\n' : ''}${['bench', ...models].map((model) => `  ${model}: { provider: scripted }\n`).join('')}`
}

const packed = new Map<string, string>()

/** The package as it is installed: built, without the sources, with Node beside it. Built once in a run. */
function pack(root: string): string {
  const known = packed.get(root)
  if (known !== undefined) return known
  execFileSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
  mkdirSync(cacheDirectory(), { recursive: true })
  const home = mkdtempSync(join(cacheDirectory(), 'package-'))
  process.once('exit', () => rmSync(home, { recursive: true, force: true }))
  for (const part of ['bin', 'dist', 'config', 'package.json']) {
    cpSync(join(root, part), join(home, part), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(home, 'node_modules'))
  packed.set(root, home)
  return home
}
