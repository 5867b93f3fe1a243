// Which options the `ssh` of this machine knows: an unknown one ends it.
import { spawnSync } from 'node:child_process'

const timeoutMs = 10_000

/**
 * The options for a session that ~/.ssh/config could send to the background, take its input from or turn into none: its end, its
 * input and its output are what a program that runs ssh goes by. None where ssh is older than they are.
 */
export function sessionOptions(env: NodeJS.ProcessEnv): readonly string[] {
  const { error, stderr } = spawnSync('ssh', ['-V'], { env, encoding: 'utf8', timeout: timeoutMs })
  return error === undefined ? sessionOptionsOf(stderr) : []
}

/** @param version what `ssh -V` prints. Since OpenSSH 8.7: https://www.openssh.com/txt/release-8.7 */
export function sessionOptionsOf(version: string): readonly string[] {
  const [, major, minor] = /^OpenSSH_(\d+)\.(\d+)/.exec(version) ?? []
  const isKnown = Number(major) > 8 || (Number(major) === 8 && Number(minor) >= 7)
  return isKnown ? ['SessionType=default', 'StdinNull=no', 'ForkAfterAuthentication=no'] : []
}
