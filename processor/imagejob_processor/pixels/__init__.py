"""Operations on pixels that several steps use."""
