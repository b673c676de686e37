"""What `tsvec ingest` does with a file: read it, tell its columns apart, send its rows.

`readers` turns each kind of file into chunks of columns, `columns` decides what each column means,
`rows` makes the Arrow stream that ingest takes, `loading` sends it and adds up the replies.
"""
