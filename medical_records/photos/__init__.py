"""Patients' photos, from the bytes that a client uploads to those that a browser gets.

    uploads              an upload's steps: uploaded bytes → the photo's files and its row, or neither
    additions            what staff add to a record or a gallery: an upload that is saved there at once, and once
    processing           bytes → the image as it is kept: a JPEG with a thumbnail
    decoding             bytes → pixels, or why the upload is refused
    decompression_bombs  bytes → whether they would keep a decoder busy
    file_names           the name that a client gives → the one that is kept and shown
    storage              files by their hash, in Django's default storage
    responses            a row → the HTTP response with its file

What belongs to whom, and may be done to it, is in the models, querysets and services of `medical_records`.
"""
