// Contenders from npm. They are no dependencies of this package: each is installed for the bench alone, in a cache, from its
// pinned version and without install scripts.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../test/support/needs.ts'
import { cacheDirectory } from './cache.ts'
import type { FindOptions, Found, Launch, Place } from './contender.ts'

const installMs = 180_000

export interface NpmPackage {
  readonly name: string
  readonly version: string
  /** Of packages that it depends on: the versions to take in place of those that npm would pick. */
  readonly overrides?: Readonly<Record<string, string>>
  /** Files to write before the installation, by name in the directory. */
  readonly files?: Readonly<Record<string, string>>
}

/** @param launch is given the package's directory. */
export async function findFromNpm(
  wanted: NpmPackage,
  { mayDownload }: Pick<FindOptions, 'mayDownload'>,
  launch: (home: string, place: Place) => Launch,
): Promise<Found> {
  const { name, version, overrides = {} } = wanted
  const label = [name.split('/').at(-1)!, version, ...Object.values(overrides)].join('-')
  const directory = join(cacheDirectory(), label.replaceAll(/[^\w.-]+/g, '_'))
  // Written last, so that a broken download is not taken for a whole one.
  const done = join(directory, 'done')
  if (!existsSync(done)) {
    if (!mayDownload) return { kind: 'absent', reason: 'not in the cache' }
    const fault = await install(directory, wanted)
    if (fault !== undefined) return { kind: 'absent', reason: fault }
    writeFileSync(done, '')
  }
  const home = join(directory, 'node_modules', name)
  return { kind: 'found', version, launch: (place) => launch(home, place) }
}

/** @returns why it could not be had. */
async function install(
  directory: string,
  { name, version, overrides, files = {} }: NpmPackage,
): Promise<string | undefined> {
  const npm = findProgram('npm')
  if (npm === undefined) return 'no npm to install it with'
  const manifest = { private: true, dependencies: { [name]: version }, overrides }
  const all = { ...files, 'package.json': JSON.stringify(manifest) }
  for (const [file, text] of Object.entries(all)) {
    const path = join(directory, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  const options = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--prefix', directory]
  try {
    await promisify(execFile)(npm, ['install', ...options], { cwd: directory, timeout: installMs })
    return undefined
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    const reason = /^npm (?:error|ERR!) (?!code)(.*)$/m.exec(stderr ?? '')?.[1] ?? message.split('\n')[0]
    return `npm could not install it: ${reason}`
  }
}
