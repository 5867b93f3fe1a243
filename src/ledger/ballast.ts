// A file that is given up when the disk is full: deleting old rows needs room, too.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

const ballastBytes = 8 * 1024 * 1024
const pieceBytes = 256 * 1024

/** @param path of the database. */
export function ballastOf(path: string): string {
  return `${path.replace(/\.db$/, '')}.ballast`
}

/** Where there is no room for it there is none. */
export function keepBallast(path: string): void {
  const ballast = ballastOf(path)
  if (existsSync(ballast)) return
  const draft = `${ballast}.tmp`
  try {
    const descriptor = openSync(draft, 'w', 0o600)
    try {
      const piece = Buffer.alloc(pieceBytes)
      for (let written = 0; written < ballastBytes; written += pieceBytes) writeSync(descriptor, piece)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(draft, ballast)
  } catch {
    rmSync(draft, { force: true })
  }
}

/** @returns whether there was any. */
export function giveUpBallast(path: string): boolean {
  const ballast = ballastOf(path)
  if (!existsSync(ballast)) return false
  rmSync(ballast, { force: true })
  return true
}
