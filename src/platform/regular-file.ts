// Reads files that the gateway has written, and that may have become something else since: a pipe would be waited for, and a
// device has no end.
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

const flags = constants.O_RDONLY | constants.O_NONBLOCK

/** @throws what the system reports (ENOENT), and for anything but a regular file. */
export async function readRegularFile(path: string): Promise<Buffer> {
  const file = await open(path, flags)
  try {
    if (!(await file.stat()).isFile()) throw notRegular(path)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function notRegular(path: string): Error {
  return new Error(`${path} is not a regular file`)
}
