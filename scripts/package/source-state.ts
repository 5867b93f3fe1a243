// What is packaged: the version, and the moment of the commit, which stands for the time of the build.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SourceState {
  readonly version: string
  /** The same with what distinguishes a commit between two releases, as it sorts for dpkg(1): `0.1.0+git20260102.0a1b2c3`. */
  readonly debianVersion: string
  /** Seconds since 1970: SOURCE_DATE_EPOCH, else of the commit (reproducible-builds.org/specs/source-date-epoch). */
  readonly epochSeconds: number
}

/** @throws where there is neither a repository nor SOURCE_DATE_EPOCH. */
export function readSourceState(root: string, env: NodeJS.ProcessEnv): SourceState {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const given = env['SOURCE_DATE_EPOCH']
  if (given !== undefined && !/^\d{1,12}$/.test(given)) {
    throw new Error(`SOURCE_DATE_EPOCH is ${JSON.stringify(given)}; it must be seconds since 1970`)
  }
  const git = (...args: string[]) => {
    try {
      return execFileSync('git', args, {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    } catch {
      return undefined
    }
  }
  const committed = git('log', '-1', '--format=%ct %h')?.split(' ')
  if (committed === undefined) {
    if (given === undefined) {
      throw new Error('There is no repository to read the time of the commit from; set SOURCE_DATE_EPOCH')
    }
    return { version, debianVersion: version, epochSeconds: Number(given) }
  }
  const [seconds = '', hash = ''] = committed
  const isRelease = git('tag', '--points-at', 'HEAD', `v${version}`) !== ''
  const isChanged = git('status', '--porcelain') !== ''
  const day = new Date(Number(seconds) * 1000).toISOString().slice(0, 10).replaceAll('-', '')
  const between = isRelease && !isChanged ? '' : `+git${day}.${hash}${isChanged ? '.changed' : ''}`
  return { version, debianVersion: version + between, epochSeconds: Number(given ?? seconds) }
}
