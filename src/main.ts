// The entry point: runs the command in argv.
// A reader that closes the pipe early (`| head`) is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const args = process.argv.slice(2)
// A shell waits for the names that it completes, which need little of the program.
const program =
  args[0] === 'complete' ? import('./cli/completion/complete-program.ts') : import('./cli/program.ts')
void program
  .then(({ createProgram }) => createProgram(process).run(args))
  .then((status) => {
    process.exitCode = status
  })
