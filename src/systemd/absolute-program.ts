// Where systemd's programs are. The PATH of a service cannot be relied on: distributions with and without merged /usr, NixOS.
import { accessSync, constants } from 'node:fs'

const directories = ['/usr/bin', '/bin', '/run/current-system/sw/bin']

/** The absolute path of a program that can be executed; undefined if there is none. */
export function absoluteProgram(name: string): string | undefined {
  return directories.map((directory) => `${directory}/${name}`).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
